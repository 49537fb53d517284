/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <utf8proc.h>

#include "net/url.h"
#include "notebook/words.h"

/* -- Words ------------------------------------------------------------------------------------ */

static size_t backslashes(const char *s) { return strspn(s, "\\"); }

/* A folder of this machine as Windows names it: the bytes before its path. */
static size_t wsl_prefix(const char *word)
{
    size_t n = backslashes(word);
    if (n < 2 || strncasecmp(word + n, "wsl", 3) != 0) return 0;
    n += 3;
    n += !strncasecmp(word + n, ".localhost", 10) ? 10 : word[n] == '$';
    size_t more = backslashes(word + n), name = strcspn(word + n + more, "\\");
    return more && name && word[n + more + name] ? n + more + name : 0;
}

size_t windows_prefix(const char *word)
{
    bool drive = isalpha((unsigned char)*word) && word[1] == ':' && word[2] == '\\';
    if (!drive) return wsl_prefix(word);
    return word[3] && !isspace((unsigned char)word[3]) ? 2 : 0;
}

/* -- What cannot be typed ---------------------------------------------------------------------- */

static const char escape_letters[] = "nrtabfv\\'\"", escape_bytes[] = "\n\r\t\a\b\f\v\\'\"";

/* Reads \n, \x07 … at p and returns its bytes. Any other backslash stands for itself. */
static size_t read_escape(const char *p, struct text *out)
{
    const char *letter = p[1] ? strchr(escape_letters, p[1]) : NULL;
    if (letter) {
        text_addn(out, &escape_bytes[letter - escape_letters], 1);
        return 2;
    }
    char digits[3] = "", *end = digits;
    if (p[1] == 'x') memcpy(digits, p + 2, strnlen(p + 2, 2));
    char byte = (char)strtoul(isxdigit((unsigned char)*digits) ? digits : "", &end, 16);
    text_addn(out, byte ? &byte : p, 1);
    return byte ? 2 + (size_t)(end - digits) : 1;
}

size_t word_escapes(const char *p, struct text *out)
{
    const char *end = p + 2;
    if (strncmp(p, "$'", 2) != 0) return 0;
    while (*end && *end != '\'') end += *end == '\\' && end[1] ? 2 : 1;
    if (!*end) return 0;
    for (const char *from = p + 2; from < end;) {
        size_t n = *from == '\\' ? read_escape(from, out) : 1;
        if (*from != '\\') text_addn(out, from, 1);
        from += n;
    }
    return (size_t)(end + 1 - p);
}

static bool is_control(char c) { return (unsigned char)c < 0x20 || c == 0x7F; }

/* The bytes of the character at s; 0: it is not UTF-8. */
static size_t character(const char *s)
{
    utf8proc_int32_t letter;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &letter);
    return n > 0 ? (size_t)n : 0;
}

static char *quote_as_escapes(const char *word)
{
    struct text out = {0};
    text_add(&out, "$'");
    for (size_t n; *word; word += n ? n : 1) {
        const char *byte =
            is_control(*word) || strchr("\\'\"", *word) ? strchr(escape_bytes, *word) : NULL;
        n = character(word);
        if (byte)
            text_addf(&out, "\\%c", escape_letters[byte - escape_bytes]);
        else if (is_control(*word) || !n)
            text_addf(&out, "\\x%02x", (unsigned char)*word);
        else
            text_addn(&out, word, n);
    }
    text_add(&out, "'");
    return text_take(&out);
}

bool word_needs_escapes(const char *word)
{
    for (size_t n; *word; word += n)
        if (is_control(*word) || !(n = character(word))) return true;
    return false;
}

static bool is_utf8(const char *s)
{
    for (size_t n; *s; s += n)
        if (!(n = character(s))) return false;
    return true;
}

char *name_as_text(const char *name)
{
    bool as_it_is = is_utf8(name) && strncmp(name, "$'", 2) != 0;
    return as_it_is ? text_copy(name) : quote_as_escapes(name);
}

char *name_of_text(const char *text)
{
    struct text name = {0};
    size_t n = word_escapes(text, &name);
    if (n && !text[n]) return text_take(&name);
    text_free(&name);
    return text_copy(text);
}

/* -- Reading and writing ------------------------------------------------------------------------ */

void word_free(struct word *w)
{
    free(w->text);
    free(w->pattern);
    *w = (struct word){0};
}

/* A word while it is read, as a name and as a pattern. */
struct reading {
    struct text name, pattern;
    bool is_pattern;
};

static void take_byte(struct reading *r, const char *byte, bool quoted)
{
    bool special = strchr("*?[]\\", *byte);
    text_addn(&r->name, byte, 1);
    if (special && quoted) text_add(&r->pattern, "\\");
    text_addn(&r->pattern, byte, 1);
    r->is_pattern |= special && !quoted && *byte != ']';
}

/* Reads one word at *at. In an address quotes are ordinary characters (it's.png), and inside <…> so
 * are blanks. */
static bool next_word(const char **at, struct word *ret)
{
    struct reading r = {0};
    const char *p = *at;
    char quote = 0;
    bool quoted = false;
    char first = *p == '"' || *p == '\'' ? *p : 0;
    const char *close = *p == '<' && url_is_http(p + 1) ? strchr(p, '>') : NULL;
    bool is_address = close || url_is_http(p) || url_is_file(p);
    bool from_windows = windows_prefix(p + (first != 0));
    for (; *p && (quote || (close && p < close) || !isspace((unsigned char)*p)); p++) {
        struct text escaped = {0};
        size_t n_escaped = quote || is_address ? 0 : word_escapes(p, &escaped);
        if (n_escaped) {
            for (size_t k = 0; k < escaped.n; k++) take_byte(&r, escaped.s + k, true);
            r.name.failed |= escaped.failed;
            text_free(&escaped);
            p += n_escaped - 1;
            quoted = true;
        } else if (quote ? *p == quote : !is_address && (*p == '"' || *p == '\'')) {
            quote = quote ? 0 : *p;
            quoted = true;
        } else if (*p == '\\' && quote != '\'' && p[1] && !from_windows) {
            take_byte(&r, ++p, true);
            quoted = true;
        } else {
            take_byte(&r, p, quote || is_address || *p == '\\');
        }
    }
    *at = p;
    *ret = (struct word){.text = text_take(&r.name), .quoted = quoted, .quote = first};
    if (r.is_pattern) ret->pattern = text_take(&r.pattern);
    text_free(&r.pattern);
    if (ret->text && (ret->pattern || !r.is_pattern)) return true;
    word_free(ret);
    return false;
}

static const char *skip_blanks(const char *line)
{
    while (isspace((unsigned char)*line)) line++;
    return line;
}

int words_split(const char *line, struct words *ret, struct phi3v_error *err)
{
    *ret = (struct words){0};
    for (const char *at = line; *(at = skip_blanks(at));) {
        struct word *v = memory_room(ret->v, ret->n, sizeof *v);
        size_t start = (size_t)(at - line);
        if (v) ret->v = v;
        if (!v || !next_word(&at, &v[ret->n])) {
            words_free(ret);
            return memory_error(err);
        }
        v[ret->n++].start = start;
    }
    return 0;
}

void words_free(struct words *w)
{
    for (size_t i = 0; i < w->n; i++) word_free(&w->v[i]);
    free(w->v);
    *w = (struct words){0};
}

char *word_quote(const char *word)
{
    struct text out = {0};
    if (word_needs_escapes(word)) return quote_as_escapes(word);
    if (windows_prefix(word) && !strchr(word, '"')) return text_format("\"%s\"", word);
    if (!*word) text_add(&out, "\"\"");
    for (const char *p = word; *p; p++) {
        bool opens = *p == '$' && p[1] == '\'';
        if (opens || isspace((unsigned char)*p) || strchr("\\\"'*?[", *p)) text_add(&out, "\\");
        text_addn(&out, p, 1);
    }
    char *quoted = text_take(&out);
    if (!quoted || !windows_prefix(quoted)) return quoted;
    free(quoted); /* the backslashes would be ordinary characters */
    return quote_as_escapes(word);
}

/* -- Ranges ----------------------------------------------------------------------------------- */

/* Reads "3", "2-5" or "4-", which ends with cell n. */
static bool read_range(const char *word, int n, long *ret_first, long *ret_last)
{
    char *end;
    if (!isdigit((unsigned char)*word)) return false;
    *ret_first = *ret_last = strtol(word, &end, 10);
    if (*end != '-') return !*end;
    if (!*++end) {
        *ret_last = n;
        return true;
    }
    if (!isdigit((unsigned char)*end)) return false;
    *ret_last = strtol(end, &end, 10);
    return !*end && *ret_first <= *ret_last;
}

int range_parse(const char *word, int n, int *ret_first, int *ret_last, struct phi3v_error *err)
{
    long first = 1, last = n;
    if (n < 1) return refuse(err, PHI3V_E_ARGUMENT, "there are no cells yet");
    if (!strcmp(word, "_"))
        first = n;
    else if (strcmp(word, "all") != 0 && !read_range(word, n, &first, &last))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "\"%.40s\" is not a range of cells: 3, 2-5, 4-, all or _", word);
    if (first < 1 || first > n || last > n)
        return refuse(err, PHI3V_E_ARGUMENT, "there is no cell %ld: they go from 1 to %d",
                      first < 1 || first > n ? first : last, n);
    *ret_first = (int)first;
    *ret_last = (int)last;
    return 0;
}
