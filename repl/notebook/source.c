/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "notebook/source.h"

static const char quotes[] = "\"\"\"";

/* -- Text from outside ------------------------------------------------------------------------ */

/* Adds one character of the input; returns its bytes. What is not UTF-8 becomes U+FFFD. */
static size_t take_letter(struct text *out, const char *p, size_t n, bool *ret_is_utf8)
{
    if (*p == '\r') {
        text_add(out, "\n");
        return n > 1 && p[1] == '\n' ? 2 : 1;
    }
    size_t ascii = 0;
    while (ascii < n && p[ascii] > 0 && p[ascii] != '\r') ascii++;
    if (ascii) {
        text_addn(out, p, ascii);
        return ascii;
    }
    utf8proc_int32_t letter;
    utf8proc_ssize_t k =
        utf8proc_iterate((const utf8proc_uint8_t *)p, (utf8proc_ssize_t)n, &letter);
    if (k > 0) {
        text_addn(out, p, (size_t)k);
        return (size_t)k;
    }
    text_add(out, "\xEF\xBF\xBD");
    *ret_is_utf8 = false;
    return 1;
}

static int normalise(const char *bytes, size_t n, const char *what, char **ret, bool *ret_is_utf8,
                     struct phi3v_error *err)
{
    if (is_utf16(bytes, n))
        return refuse(err, PHI3V_E_ARGUMENT, "%.200s is UTF-16: save it as UTF-8", what);
    if (memchr(bytes, 0, n))
        return refuse(err, PHI3V_E_ARGUMENT, "%.200s has a zero byte: it is not text", what);
    size_t at = utf8_mark(bytes, n);
    struct text out = {0};
    *ret_is_utf8 = true;
    while (at < n) at += take_letter(&out, bytes + at, n - at, ret_is_utf8);
    *ret = text_take(&out);
    return *ret ? 0 : memory_error(err);
}

int source_normalise(const char *bytes, size_t n, const char *what, char **ret,
                     struct phi3v_error *err)
{
    bool is_utf8;
    return normalise(bytes, n, what, ret, &is_utf8, err);
}

int source_of_file(const char *bytes, size_t n, const char *what, char **ret,
                   struct phi3v_error *err)
{
    char *text;
    bool is_utf8;
    int rc = normalise(bytes, n, what, &text, &is_utf8, err);
    if (rc) return rc;
    if (!is_utf8) {
        free(text);
        return refuse(err, PHI3V_E_IO,
                      "%.200s is not UTF-8: it has another encoding, or is no text", what);
    }
    *ret = text;
    return 0;
}

/* -- Reading ---------------------------------------------------------------------------------- */

/* Whether a command begins at s; a second colon makes it text. */
static bool begins_command(const char *s)
{
    return (s[0] == ':' && s[1] != ':') || s[0] == '!' || s[0] == '?';
}

bool source_is_command(const char *line)
{
    const char *s = line + strspn(line, " \t");
    /* After indentation only a name makes it a command: " :)" is text. */
    return s == line ? begins_command(s) : s[0] == ':' && isalpha((unsigned char)s[1]);
}

static bool ends_in_backslash(const char *text, size_t n)
{
    size_t slashes = 0;
    while (slashes < n && text[n - 1 - slashes] == '\\') slashes++;
    return slashes % 2;
}

/* The bytes of the command at s, including its continuation lines but not the last line end. */
static size_t command_length(const char *s)
{
    size_t n = 0;
    bool open = false;
    for (;;) {
        size_t end = n + strcspn(s + n, "\n");
        for (const char *q = s + n; (q = memmem(q, (size_t)(s + end - q), quotes, 3)); q += 3)
            open = !open;
        n = end;
        if (!s[n] || (!open && !ends_in_backslash(s, n))) return n;
        n++;
    }
}

static bool is_blank_line(const char *s, size_t *ret_n)
{
    size_t n = strspn(s, " \t");
    *ret_n = n + (s[n] == '\n');
    return s[n] == '\n';
}

/* The next command after blank lines, or NULL when a prompt (or the end) comes first. */
static const char *next_command(const char *s)
{
    size_t n;
    while (is_blank_line(s, &n)) s += n;
    return source_is_command(s) ? s + strspn(s, " \t") : NULL;
}

/* Removes """ around a whole prompt, or the first of two leading colons. */
static char *meant(const char *s)
{
    size_t n = strlen(s);
    while (n > 0 && strchr(" \t\n", s[n - 1]) && !strncmp(s, quotes, 3)) n--;
    if (!strncmp(s, "::", 2)) return text_copy(s + 1);
    if (n < 6 || strncmp(s, quotes, 3) != 0 || strncmp(s + n - 3, quotes, 3) != 0)
        return text_copy(s);
    s += 3;
    n -= 6;
    if (n > 0 && *s == '\n') {
        s++;
        n--;
    }
    if (n > 0 && s[n - 1] == '\n') n--;
    return text_copyn(s, n);
}

static bool is_empty(const char *s) { return !s[strspn(s, " \t\n")]; }

int source_read(const char *text, struct source *ret, struct phi3v_error *err)
{
    *ret = (struct source){0};
    bool whole = true;
    for (const char *command; (command = next_command(text));) {
        size_t n = command_length(command);
        whole &= strings_take(&ret->commands, text_copyn(command, n));
        text = command + n + (command[n] == '\n');
    }
    ret->prompt = is_empty(text) ? text_copy("") : meant(text);
    if (whole && ret->prompt) return 0;
    source_free(ret);
    return memory_error(err);
}

void source_free(struct source *s)
{
    strings_free(&s->commands);
    free(s->prompt);
    *s = (struct source){0};
}

/* -- Writing ---------------------------------------------------------------------------------- */

static bool reads_back(const char *text, const char *prompt)
{
    struct source s;
    if (source_read(text, &s, NULL)) return false;
    bool same = s.commands.n == 0 && !strcmp(s.prompt, prompt);
    source_free(&s);
    return same;
}

char *source_of_prompt(const char *prompt)
{
    if (reads_back(prompt, prompt)) return text_copy(prompt);
    return *prompt == ':' ? text_format(":%s", prompt)
                          : text_format("%s\n%s\n%s", quotes, prompt, quotes);
}

bool source_incomplete(const char *text)
{
    size_t n = strlen(text);
    const char *first = text + strspn(text, " \t");
    bool open = false;
    if (!strncmp(first, quotes, 3) || source_is_command(text))
        for (const char *q = first; (q = strstr(q, quotes)); q += 3) open = !open;
    return open || ends_in_backslash(text, n);
}

char *source_arguments(const char *command)
{
    struct text out = {0};
    size_t n = strlen(command);
    while (n > 0 && isspace((unsigned char)command[n - 1])) n--;
    if (n >= 6 && !strncmp(command, quotes, 3) && !strncmp(command + n - 3, quotes, 3)) {
        char *inside = text_copyn(command, n), *plain = inside ? meant(inside) : NULL;
        free(inside);
        return plain;
    }
    for (size_t i = 0; i < n; i++)
        if (!(command[i] == '\\' && command[i + 1] == '\n')) text_addn(&out, command + i, 1);
    return text_take(&out);
}
