/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "net/fetch.h"
#include "notebook/media.h"
#include "notebook/words.h"

/* -- Words ---------------------------------------------------------------------------------- */

/* Reads one word from *at on; quotes and backslashes are undone. */
static char *next_word(const char **at)
{
    struct text word = {0};
    const char *p = *at;
    char quote = 0;
    for (; *p && (quote || !isspace((unsigned char)*p)); p++) {
        if (quote ? *p == quote : *p == '"' || *p == '\'')
            quote = quote ? 0 : *p;
        else if (*p == '\\' && quote != '\'' && p[1])
            text_addn(&word, ++p, 1);
        else
            text_addn(&word, p, 1);
    }
    *at = p;
    return text_take(&word);
}

static const char *skip_blanks(const char *line)
{
    while (isspace((unsigned char)*line)) line++;
    return line;
}

void words_split(const char *line, struct strings *ret)
{
    *ret = (struct strings){0};
    while (*(line = skip_blanks(line))) {
        char *word = next_word(&line);
        strings_add(ret, word);
        free(word);
    }
}

bool word_is_quoted(const char *line, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        line = skip_blanks(line);
        free(next_word(&line));
    }
    return *skip_blanks(line) == '"';
}

char *word_quote(const char *word)
{
    struct text out = {0};
    if (!*word) text_add(&out, "\"\"");
    for (; *word; word++) {
        if (strchr(" \t\n\\\"'", *word)) text_add(&out, "\\");
        text_addn(&out, word, 1);
    }
    return text_take(&out);
}

/* -- Ranges --------------------------------------------------------------------------------- */

int range_parse(const char *word, int n, int *ret_first, int *ret_last, struct phi3v_error *err)
{
    long first = 1, last = n;
    char *end = (char *)(uintptr_t)word;
    if (n < 1) return refuse(err, PHI3V_E_ARGUMENT, "there are no cells yet");
    if (!strcmp(word, "_")) {
        first = n;
    } else if (strcmp(word, "all") != 0) {
        first = strtol(word, &end, 10);
        last = first;
        if (isdigit((unsigned char)*word) && *end == '-') {
            last = end[1] ? strtol(end + 1, &end, 10) : n;
            if (*end == '-') end++;
        }
        if (!isdigit((unsigned char)*word) || *end)
            return refuse(err, PHI3V_E_ARGUMENT,
                          "\"%.40s\" is not a range of cells: 3, 2-5, 4-, all or _", word);
    }
    if (first < 1 || first > n || last < first || last > n)
        return refuse(err, PHI3V_E_ARGUMENT, "there is no cell %ld: they go from 1 to %d",
                      first < 1 || first > n ? first : last, n);
    *ret_first = (int)first;
    *ret_last = (int)last;
    return 0;
}

/* -- Incomplete lines ----------------------------------------------------------------------- */

bool line_incomplete(const char *text)
{
    if (!strncmp(text, "\"\"\"", 3)) return !strstr(text + 3, "\"\"\"");
    size_t n = strlen(text), slashes = 0;
    while (slashes < n && text[n - 1 - slashes] == '\\') slashes++;
    return slashes % 2;
}

char *line_unwrap(const char *text)
{
    if (strncmp(text, "\"\"\"", 3) != 0) return xstrdup(text);
    const char *start = text + 3, *end = strstr(start, "\"\"\"");
    if (!end) end = start + strlen(start);
    if (*start == '\n') start++;
    size_t n = (size_t)(end - start);
    if (n > 0 && start[n - 1] == '\n') n--;
    return xstrndup(start, n);
}

char *line_typed(const char *text)
{
    return !strncmp(text, "::", 2) ? xstrdup(text + 1) : line_unwrap(text);
}

char *line_of_typed(const char *typed)
{
    if (*typed == ':') return xasprintf(":%s", typed);
    if (*typed == '!' || *typed == '?' || !strncmp(typed, "\"\"\"", 3))
        return xasprintf("\"\"\"\n%s\n\"\"\"", typed);
    return xstrdup(typed);
}

/* -- @ and {Out[n]} ------------------------------------------------------------------------- */

static bool starts_word(const char *text, const char *at)
{
    return at == text || isspace((unsigned char)at[-1]) || strchr("([{\"',;", at[-1]);
}

static bool is_file(const char *path)
{
    struct stat st;
    char *full = expand_home(path);
    bool there = !stat(full, &st) && S_ISREG(st.st_mode);
    free(full);
    return there;
}

static void add_ref(struct refs *r, struct ref ref)
{
    r->v = xgrow(r->v, r->n + 1, sizeof *r->v);
    r->v[r->n++] = ref;
}

/* Length of a number or name behind @ when what follows cannot be more of a path. */
static size_t name_length(const char *s)
{
    size_t n = 0;
    while (isalnum((unsigned char)s[n]) || s[n] == '_' || s[n] == '-') n++;
    const char *rest = s + n;
    if (*rest == '/' || *rest == '\\' || (unsigned char)*rest >= 0x80) return 0;
    if ((*rest == '.' || *rest == ':') && isalnum((unsigned char)rest[1])) return 0;
    return n;
}

static int handle_ref(const char *at, ref_lookup_fn lookup, void *user, struct ref *ret,
                      struct phi3v_error *err)
{
    size_t n = name_length(at + 1);
    if (!n) return 0;
    char *name = xstrndup(at + 1, n);
    bool number = strspn(name, "0123456789") == n;
    int index = lookup(name, user), found = 0;
    if (index >= 0) {
        *ret = (struct ref){.kind = REF_PICTURE, .index = index, .end = n + 1};
        found = 1;
    } else if (number) {
        found = refuse(err, PHI3V_E_IMAGE, "there is no picture @%.20s: :images lists them", name);
    }
    free(name);
    return found;
}

/* The path or URL behind @, unquoted; *ret_n bytes of the text. */
static char *path_behind(const char *s, size_t *ret_n)
{
    const char *p = s, *close = *s == '"' ? strchr(s + 1, '"') : NULL;
    if (close) {
        *ret_n = (size_t)(close + 1 - s);
        return xstrndup(s + 1, (size_t)(close - s - 1));
    }
    struct text path = {0};
    for (; *p && !isspace((unsigned char)*p); p++) {
        if (*p == '\\' && p[1]) p++;
        text_addn(&path, p, 1);
    }
    *ret_n = (size_t)(p - s);
    return text_take(&path);
}

static bool looks_like_picture(const char *path)
{
    return media_has_picture_name(path) || !strncmp(path, "./", 2) || !strncmp(path, "../", 3) ||
           !strncmp(path, "~/", 2) || (*path == '/' && path[1]);
}

static int path_ref(const char *at, struct ref *ret, struct phi3v_error *err)
{
    size_t n;
    char *path = path_behind(at + 1, &n);
    /* A sentence goes on behind a path: "@a.png, and …". */
    while (*path && !is_file(path) && strchr(".,;:!?)]}'\"", path[strlen(path) - 1])) {
        path[strlen(path) - 1] = 0;
        n--;
    }
    int found = fetch_is_url(path) || is_file(path);
    if (!found && looks_like_picture(path))
        found = refuse(err, PHI3V_E_IMAGE, "@%.200s: no such picture; nothing was sent", path);
    if (found == 1) {
        *ret = (struct ref){.kind = REF_LOAD, .end = n + 1, .what = xstrdup(path)};
    }
    free(path);
    return found;
}

static int answer_ref(const char *at, struct ref *ret)
{
    if (!strncmp(at, "{_}", 3)) {
        *ret = (struct ref){.kind = REF_ANSWER, .end = 3};
        return 1;
    }
    char *end;
    if (strncmp(at, "{Out[", 5) != 0 || !isdigit((unsigned char)at[5])) return 0;
    long n = strtol(at + 5, &end, 10);
    if (strncmp(end, "]}", 2) != 0 || n < 1 || n > 1000000) return 0;
    *ret = (struct ref){.kind = REF_ANSWER, .index = (int)n, .end = (size_t)(end + 2 - at)};
    return 1;
}

int refs_find(const char *text, ref_lookup_fn lookup, void *user, struct refs *ret,
              struct phi3v_error *err)
{
    struct refs r = {0};
    for (const char *p = text; *p;) {
        struct ref ref = {0};
        int found = 0;
        if (*p == '{') found = answer_ref(p, &ref);
        if (*p == '@' && starts_word(text, p)) {
            found = handle_ref(p, lookup, user, &ref, err);
            if (!found) found = path_ref(p, &ref, err);
        }
        if (found < 0) {
            refs_free(&r);
            return found;
        }
        if (found) {
            ref.start = (size_t)(p - text);
            ref.end += ref.start;
            p = text + ref.end;
            add_ref(&r, ref);
        } else {
            p++;
        }
    }
    *ret = r;
    return 0;
}

void refs_free(struct refs *r)
{
    for (size_t i = 0; i < r->n; i++) free(r->v[i].what);
    free(r->v);
    *r = (struct refs){0};
}

bool has_image_tag(const char *text)
{
    for (const char *p = text; (p = strstr(p, "<|image_")); p++) {
        size_t digits = strspn(p + 8, "0123456789");
        if (digits && !strncmp(p + 8 + digits, "|>", 2)) return true;
    }
    return false;
}

char *with_image_tags(const char *text, size_t n_images)
{
    struct text out = {0};
    for (size_t i = 0; i < n_images && !has_image_tag(text); i++)
        text_addf(&out, "<|image_%zu|>\n", i + 1);
    text_add(&out, text);
    return text_take(&out);
}
