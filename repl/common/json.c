/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "common/json.h"

enum { ASK_EVERY = 1 << 20 }; /* bytes */

void json_count_failures(void) { json_set_alloc_funcs(memory_new, free); }

json_t *json_textn(const char *s, size_t n)
{
    json_t *value = json_stringn(s, n);
    if (value) return value;
    struct text clean = {0};
    while (n > 0) {
        utf8proc_int32_t letter;
        utf8proc_ssize_t k =
            utf8proc_iterate((const utf8proc_uint8_t *)s, (utf8proc_ssize_t)n, &letter);
        if (k > 0)
            text_addn(&clean, s, (size_t)k);
        else
            text_add(&clean, "\xEF\xBF\xBD");
        size_t step = k > 0 ? (size_t)k : 1;
        s += step;
        n -= step;
    }
    value = json_stringn(clean.s, clean.n);
    text_free(&clean);
    return value;
}

json_t *json_text(const char *s) { return json_textn(s, strlen(s)); }

json_t *json_ids(const int32_t *ids, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) json_array_append_new(list, json_integer(ids[i]));
    return list;
}

/* The length in bytes of a character that terminals or line readers might obey, else 0. */
static int unsafe_letter(const unsigned char *s, unsigned *ret_letter)
{
    if (s[0] == 0x7F) {
        *ret_letter = 0x7F;
        return 1;
    }
    if (s[0] == 0xC2 && s[1] >= 0x80 && s[1] <= 0x9F) {
        *ret_letter = s[1];
        return 2;
    }
    if (s[0] == 0xE2 && s[1] == 0x80 && (s[2] == 0xA8 || s[2] == 0xA9)) {
        *ret_letter = 0x2000u + (s[2] & 0x3Fu);
        return 3;
    }
    return 0;
}

/* Escapes U+007F, U+0080–009F, U+2028 and U+2029 in JSON text (they can only be inside strings). */
static char *escape_controls(const char *json)
{
    struct text out = {0};
    const char *done = json;
    for (const char *p = json; *p;) {
        unsigned letter;
        int n = unsafe_letter((const unsigned char *)p, &letter);
        if (!n) {
            p++;
            continue;
        }
        text_addn(&out, done, (size_t)(p - done));
        text_addf(&out, "\\u%04x", letter);
        p += n;
        done = p;
    }
    text_add(&out, done);
    return text_take(&out);
}

char *json_line(const json_t *value)
{
    char *plain = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY | JSON_REAL_PRECISION(15));
    char *line = escape_controls(plain ? plain : "null");
    free(plain);
    return line;
}

/* -- Indented ------------------------------------------------------------------------------- */

static void pretty_string(struct text *out, const json_t *value)
{
    char *quoted = json_dumps(value, JSON_ENCODE_ANY);
    for (char *p = quoted; p && *p; p++) {
        if (*p != '\\') continue;
        if (*++p != 'u') continue;
        for (int i = 1; i <= 4; i++) p[i] = (char)tolower((unsigned char)p[i]); /* as Python does */
    }
    if (quoted)
        text_add(out, quoted);
    else
        out->failed = true;
    free(quoted);
}

/* Writes the fewest digits that read back as the same number. */
static void pretty_real(struct text *out, double x)
{
    char digits[40];
    for (int n = 15; n <= 17; n++) {
        snprintf(digits, sizeof digits, "%.*g", n, x);
        if (strtod(digits, NULL) == x) break;
    }
    text_add(out, digits);
    if (!strpbrk(digits, ".e")) text_add(out, ".0");
}

/* The text being written, and whether it is still wanted. */
struct pretty {
    struct text out;
    const struct stop *stop;
    size_t ask_at; // bytes
    bool stopped;
};

static void pretty(struct pretty *p, const json_t *value, int depth);

static void line_break(struct text *out, int depth) { text_addf(out, "\n%*s", depth, ""); }

static void pretty_array(struct pretty *p, const json_t *value, int depth)
{
    struct text *out = &p->out;
    size_t i;
    json_t *item;
    text_add(out, "[");
    json_array_foreach(value, i, item)
    {
        if (i) text_add(out, ",");
        line_break(out, depth + 1);
        pretty(p, item, depth + 1);
    }
    if (json_array_size(value)) line_break(out, depth);
    text_add(out, "]");
}

static void pretty_object(struct pretty *p, const json_t *value, int depth)
{
    struct text *out = &p->out;
    const char *key;
    json_t *item;
    bool first = true;
    text_add(out, "{");
    json_object_foreach((json_t *)(uintptr_t)value, key, item)
    {
        json_t *name = json_string_nocheck(key);
        if (!first) text_add(out, ",");
        first = false;
        line_break(out, depth + 1);
        pretty_string(out, name);
        text_add(out, ": ");
        pretty(p, item, depth + 1);
        json_decref(name);
    }
    if (!first) line_break(out, depth);
    text_add(out, "}");
}

static bool is_stopped(struct pretty *p)
{
    return p->stopped |= stop_asked_at(p->stop, p->out.n, &p->ask_at, ASK_EVERY);
}

static void pretty(struct pretty *p, const json_t *value, int depth)
{
    struct text *out = &p->out;
    if (is_stopped(p)) return;
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        pretty_object(p, value, depth);
        break;
    case JSON_ARRAY:
        pretty_array(p, value, depth);
        break;
    case JSON_STRING:
        pretty_string(out, value);
        break;
    case JSON_REAL:
        pretty_real(out, json_real_value(value));
        break;
    case JSON_INTEGER:
        text_addf(out, "%lld", (long long)json_integer_value(value));
        break;
    case JSON_TRUE:
        text_add(out, "true");
        break;
    case JSON_FALSE:
        text_add(out, "false");
        break;
    case JSON_NULL:
        text_add(out, "null");
        break;
    }
}

char *json_pretty(const json_t *value, const struct stop *stop)
{
    struct pretty p = {.stop = stop};
    pretty(&p, value, 0);
    text_add(&p.out, "\n");
    if (p.stopped) text_free(&p.out);
    return p.stopped ? NULL : text_take(&p.out);
}

/* -- Errors --------------------------------------------------------------------------------- */

const char *error_name(int code)
{
    switch (code) {
    case PHI3V_E_ARGUMENT:
        return "argument";
    case PHI3V_E_IO:
        return "io";
    case PHI3V_E_MODEL:
        return "model";
    case PHI3V_E_IMAGE:
        return "image";
    case PHI3V_E_PROMPT:
        return "prompt";
    case PHI3V_E_TOO_LONG:
        return "too_long";
    case PHI3V_E_MEMORY:
        return "memory";
    case PHI3V_E_DEVICE:
        return "device";
    case PHI3V_E_CANCELLED:
        return "cancelled";
    case PHI3V_E_UNSUPPORTED:
        return "unsupported";
    default:
        return "error";
    }
}

json_t *json_error(const struct phi3v_error *err)
{
    return json_pack("{s:{s:s,s:o}}", "error", "code", error_name(err->code), "message",
                     json_text(err->text));
}

int json_begins(const char **text, size_t *n, const char *what, struct phi3v_error *err)
{
    if (is_utf16(*text, *n))
        return refuse(err, PHI3V_E_IO, "%.200s is UTF-16: save it as UTF-8", what);
    size_t mark = utf8_mark(*text, *n);
    if (*n == mark) return refuse(err, PHI3V_E_IO, "%.200s is empty", what);
    *text += mark;
    *n -= mark;
    return 0;
}

json_t *json_parse(const char *text, size_t n, const char *what, struct phi3v_error *err)
{
    json_error_t why;
    if (json_begins(&text, &n, what, err)) return NULL;
    json_t *value = json_loadb(text, n, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &why);
    if (!value)
        refuse(err, PHI3V_E_IO, "%s is not JSON: line %d column %d: %s", what, why.line, why.column,
               why.text);
    return value;
}
