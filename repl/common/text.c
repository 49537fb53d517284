/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/text.h"

/* -- Strings ---------------------------------------------------------------------------------- */

char *text_copy(const char *s) { return s ? memory_copy(s, strlen(s) + 1) : NULL; }

char *text_copyn(const char *s, size_t n)
{
    char *to = memory_new(n + 1);
    if (!to) return NULL;
    memcpy(to, s, n);
    to[n] = 0;
    return to;
}

static char *format_text(const char *format, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    int n = vsnprintf(NULL, 0, format, again);
    va_end(again);
    char *s = n < 0 ? NULL : memory_new((size_t)n + 1);
    if (s) vsnprintf(s, (size_t)n + 1, format, ap);
    return s;
}

char *text_format(const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *s = format_text(format, ap);
    va_end(ap);
    return s;
}

void hex_text(const unsigned char *bytes, size_t n, char *ret)
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < n; i++) {
        *ret++ = digits[bytes[i] >> 4];
        *ret++ = digits[bytes[i] & 15];
    }
    *ret = 0;
}

int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

bool is_utf16(const char *bytes, size_t n)
{
    return n >= 2 && (!memcmp(bytes, "\xFF\xFE", 2) || !memcmp(bytes, "\xFE\xFF", 2));
}

size_t utf8_mark(const char *bytes, size_t n)
{
    return n >= 3 && !memcmp(bytes, "\xEF\xBB\xBF", 3) ? 3 : 0;
}

const char *human_bytes(double bytes, char *buf, size_t n)
{
    static const char *const unit[] = {"bytes", "kB", "MB", "GB", "TB"};
    int u = 0;
    for (; bytes >= 999.5 && u < 4; u++) bytes /= 1000;
    snprintf(buf, n, u && bytes < 9.95 ? "%.1f %s" : "%.0f %s", bytes, unit[u]);
    return buf;
}

/* -- Growing text ----------------------------------------------------------------------------- */

void text_addn(struct text *t, const char *s, size_t n)
{
    if (t->failed) return;
    if (n > SIZE_MAX / 4 - t->n) {
        t->failed = true;
        return;
    }
    if (t->n + n + 1 > t->cap) {
        size_t cap = (t->n + n + 1) * 2;
        char *grown = memory_grow(t->s, cap, 1);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->s = grown;
        t->cap = cap;
    }
    if (n) memcpy(t->s + t->n, s, n);
    t->n += n;
    t->s[t->n] = 0;
}

void text_add(struct text *t, const char *s) { text_addn(t, s, strlen(s)); }

void text_addf(struct text *t, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    char *s = format_text(format, ap);
    va_end(ap);
    if (s)
        text_add(t, s);
    else
        t->failed = true;
    free(s);
}

char *text_take(struct text *t)
{
    text_addn(t, "", 0);
    char *s = t->failed ? NULL : t->s;
    if (!s) free(t->s);
    *t = (struct text){0};
    return s;
}

void text_free(struct text *t)
{
    free(t->s);
    *t = (struct text){0};
}

/* -- Lists ------------------------------------------------------------------------------------ */

bool strings_take(struct strings *list, char *s)
{
    char **v = s ? memory_room(list->v, list->n, sizeof *v) : NULL;
    if (!v) {
        free(s);
        return false;
    }
    list->v = v;
    list->v[list->n++] = s;
    return true;
}

bool strings_add(struct strings *list, const char *s) { return strings_take(list, text_copy(s)); }

void strings_free(struct strings *list)
{
    for (size_t i = 0; i < list->n; i++) free(list->v[i]);
    free(list->v);
    *list = (struct strings){0};
}

bool strings_copy(struct strings *to, const struct strings *from)
{
    for (size_t i = 0; i < from->n; i++)
        if (!strings_add(to, from->v[i])) return false;
    return true;
}

/* -- Errors ----------------------------------------------------------------------------------- */

int refuse(struct phi3v_error *err, int code, const char *format, ...)
{
    if (!err) return code;
    va_list ap;
    va_start(ap, format);
    vsnprintf(err->text, sizeof err->text, format, ap);
    va_end(ap);
    err->code = code;
    return code;
}
