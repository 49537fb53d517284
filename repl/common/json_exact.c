/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/json_exact.h"

/* U+E0F5, then a letter that says what follows:
 *   n   the whole string stands for this number or word
 *   u   four hexadecimal digits: an escape that is kept as it is
 *   m   the mark itself */
#define MARK "\xEE\x83\xB5"
enum { MARK_BYTES = 3, CARRIED_BYTES = MARK_BYTES + 1 + 4, ASK_EVERY = 1 << 20 };

/* -- Reading ---------------------------------------------------------------------------------- */

static int hex4(const char *p)
{
    int value = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

static bool is_high(int u) { return u >= 0xD800 && u <= 0xDBFF; }
static bool is_low(int u) { return u >= 0xDC00 && u <= 0xDFFF; }

/* Reads the escape \uXXXX at p, keeping it unchanged if jansson would refuse it. Returns its
 * bytes. */
static size_t take_escape(const char *p, const char *end, struct text *out)
{
    int u = end - p >= 6 ? hex4(p + 2) : -1;
    bool pair = is_high(u) && end - p >= 12 && p[6] == '\\' && p[7] == 'u' && is_low(hex4(p + 8));
    bool fits = u < 0 || pair || !(is_high(u) || is_low(u) || u == 0 || u == 0xE0F5);
    size_t n = u < 0 ? 2 : pair ? 12 : 6;
    if (fits)
        text_addn(out, p, n);
    else
        text_addf(out, MARK "u%.4s", p + 2);
    return n;
}

/* Reads the string at p, including its quotes. Returns its bytes. */
static size_t take_string(const char *p, const char *end, struct text *out)
{
    const char *begun = p++;
    text_add(out, "\"");
    while (p < end && *p != '"') {
        size_t n = 0;
        while (p + n < end && p[n] != '"' && p[n] != '\\' && p[n] != MARK[0]) n++;
        text_addn(out, p, n);
        p += n;
        if (p >= end || *p == '"') break;
        if (*p == '\\' && p + 1 < end && p[1] == 'u') {
            p += take_escape(p, end, out);
        } else if (*p == '\\') {
            text_addn(out, p, p + 1 < end ? 2 : 1);
            p += p + 1 < end ? 2 : 1;
        } else if (end - p >= MARK_BYTES && !memcmp(p, MARK, MARK_BYTES)) {
            text_add(out, MARK "m");
            p += MARK_BYTES;
        } else {
            text_addn(out, p++, 1);
        }
    }
    if (p < end) {
        text_add(out, "\"");
        p++;
    }
    return (size_t)(p - begun);
}

static bool is_small_integer(const char *s, size_t n)
{
    size_t at = *s == '-';
    if (n - at < 1 || n - at > 15 || (s[at] == '0' && n > at + 1) || (*s == '-' && s[1] == '0'))
        return false;
    for (; at < n; at++)
        if (!isdigit((unsigned char)s[at])) return false;
    return true;
}

/* Whether this is a JSON number, or one of the three words that Python adds. */
static bool is_number(const char *s, size_t n)
{
    static const char *const words[] = {"NaN", "Infinity", "-Infinity"};
    for (int i = 0; i < 3; i++)
        if (strlen(words[i]) == n && !memcmp(words[i], s, n)) return true;
    size_t at = n > 0 && *s == '-', digits = 0, k;
    if (at < n && s[at] == '0' && at + 1 < n && isdigit((unsigned char)s[at + 1])) return false;
    for (; at < n && isdigit((unsigned char)s[at]); at++) digits++;
    if (!digits) return false;
    if (at < n && s[at] == '.') {
        for (k = ++at; at < n && isdigit((unsigned char)s[at]); at++) {}
        if (at == k) return false;
    }
    if (at < n && (s[at] == 'e' || s[at] == 'E')) {
        at++;
        if (at < n && (s[at] == '+' || s[at] == '-')) at++;
        for (k = at; at < n && isdigit((unsigned char)s[at]); at++) {}
        if (at == k) return false;
    }
    return at == n;
}

/* Reads a number or word at p. Returns its bytes. */
static size_t take_word(const char *p, const char *end, struct text *out)
{
    size_t n = 0;
    while (p + n < end && (isalnum((unsigned char)p[n]) || strchr("+-.", p[n])) && p[n]) n++;
    if (!n) n = 1;
    if (!is_small_integer(p, n) && is_number(p, n))
        text_addf(out, "\"" MARK "n%.*s\"", (int)n, p);
    else
        text_addn(out, p, n);
    return n;
}

/* Rewrites the text so that what JSON does not allow is inside strings; false when stopped. */
static bool carry(const char *text, size_t n, const struct stop *stop, struct text *out)
{
    size_t ask_at = 0;
    for (const char *p = text, *end = text + n; p < end;) {
        if (stop_asked_at(stop, (size_t)(p - text), &ask_at, ASK_EVERY)) return false;
        p += *p == '"' ? take_string(p, end, out) : take_word(p, end, out);
    }
    return true;
}

/* The input of the library, piece by piece. */
struct feed {
    const char *p, *end;
    const struct stop *stop;
    size_t n_given;
    bool stopped;
};

static size_t give(void *to, size_t n_wanted, void *user)
{
    struct feed *f = user;
    size_t left = (size_t)(f->end - f->p), n = n_wanted < left ? n_wanted : left;
    if (f->n_given / ASK_EVERY != (f->n_given + n) / ASK_EVERY) f->stopped = stop_asked(f->stop);
    if (f->stopped) return (size_t)-1;
    if (n) memcpy(to, f->p, n);
    f->p += n;
    f->n_given += n;
    return n;
}

json_t *json_exact_parse(const char *text, size_t n, const char *what, const struct stop *stop,
                         struct phi3v_error *err)
{
    struct text carried = {0};
    if (json_begins(&text, &n, what, err)) return NULL;
    bool stopped = !carry(text, n, stop, &carried);
    struct feed feed = {.p = carried.s, .end = carried.s + carried.n, .stop = stop};
    json_error_t why;
    unsigned before = memory_failures();
    json_t *value =
        carried.failed || stopped ? NULL : json_load_callback(give, &feed, JSON_DECODE_ANY, &why);
    if (stopped || feed.stopped)
        stop_error(err, "reading", what);
    else if (!value && (carried.failed || memory_failures() != before))
        memory_error(err);
    else if (!value)
        refuse(err, PHI3V_E_IO, "%s is not JSON: line %d: %s", what, why.line, why.text);
    text_free(&carried);
    return value;
}

/* -- Writing ---------------------------------------------------------------------------------- */

/* Text that was not read here, such as a journal that somebody has changed, may also contain marks:
 * only pieces that are really kept are turned back. */

/* The bytes of the number that the whole string after the mark stands for; 0: it is not such a
 * string, or it is a name, which stays a string. */
static size_t carried_number(const char *json, const char *mark)
{
    const char *digits = mark + MARK_BYTES + 1;
    if (mark[MARK_BYTES] != 'n' || mark == json || mark[-1] != '"') return 0;
    size_t n = strcspn(digits, "\"\\");
    return digits[n] == '"' && digits[n + 1] != ':' && is_number(digits, n) ? n : 0;
}

static bool is_carried_escape(const char *mark)
{
    return mark[MARK_BYTES] == 'u' && hex4(mark + MARK_BYTES + 1) >= 0;
}

char *json_exact_pretty(const json_t *value, const struct stop *stop)
{
    char *json = json_pretty(value, stop);
    if (!json || !strstr(json, MARK)) return json;
    struct text out = {0};
    const char *p = json, *mark;
    for (; (mark = strstr(p, MARK)); p = mark) {
        size_t n = carried_number(json, mark);
        const char *behind = mark + MARK_BYTES;
        text_addn(&out, p, (size_t)(mark - p) - (n > 0)); /* without the quote */
        if (n) {
            text_addn(&out, behind + 1, n);
            mark = behind + 1 + n + 1;
        } else if (is_carried_escape(mark)) {
            text_addf(&out, "\\u%.4s", behind + 1);
            mark += CARRIED_BYTES;
        } else {
            text_add(&out, MARK);
            mark = behind + (*behind == 'm');
        }
    }
    text_add(&out, p);
    free(json);
    return text_take(&out);
}

char *json_exact_plain(const char *s)
{
    struct text out = {0};
    const char *mark;
    for (; (mark = strstr(s, MARK)); s = mark) {
        text_addn(&out, s, (size_t)(mark - s));
        char kind = mark[MARK_BYTES];
        bool lost = kind == 'n' || is_carried_escape(mark);
        text_add(&out, lost ? "\xEF\xBF\xBD" : MARK);
        mark += kind == 'u' && lost ? CARRIED_BYTES : MARK_BYTES + (kind == 'm' || lost);
    }
    text_add(&out, s);
    return text_take(&out);
}
