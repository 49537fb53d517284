/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"

void buf_fini(struct buf *b)
{
    mem_free(b->data);
    *b = (struct buf){0};
}

void buf_clear(struct buf *b)
{
    b->n = 0;
    b->failed = false;
    if (b->data) b->data[0] = 0;
}

/* Makes room for `more` bytes and the final NUL. */
static bool reserve(struct buf *b, size_t more)
{
    size_t need;
    if (b->failed || !size_add(b->n, more, &need) || !size_add(need, 1, &need))
        return !(b->failed = true);
    if (need <= b->cap) return true;
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need)
        if (!size_mul(cap, 2, &cap)) return !(b->failed = true);
    char *data = mem_resize(b->data, cap, 1);
    if (!data) return !(b->failed = true);
    b->data = data;
    b->cap = cap;
    return true;
}

void buf_reserve(struct buf *b, size_t more) { reserve(b, more); }

void buf_append(struct buf *b, const void *bytes, size_t n)
{
    if (!reserve(b, n)) return;
    if (n) memcpy(b->data + b->n, bytes, n);
    b->n += n;
    b->data[b->n] = 0;
}

void buf_puts(struct buf *b, const char *s) { buf_append(b, s, strlen(s)); }

void buf_putc(struct buf *b, char c) { buf_append(b, &c, 1); }

void buf_printf(struct buf *b, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (n < 0 || !reserve(b, (size_t)n)) {
        b->failed = true;
        return;
    }
    va_start(args, format);
    vsnprintf(b->data + b->n, (size_t)n + 1, format, args);
    va_end(args);
    b->n += (size_t)n;
}

char *buf_take(struct buf *b)
{
    if (!reserve(b, 0)) {
        buf_fini(b);
        return NULL;
    }
    b->data[b->n] = 0;
    char *data = b->data;
    *b = (struct buf){0};
    return data;
}
