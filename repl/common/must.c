/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/must.h"

void *must(void *p)
{
    if (p) return p;
    static const char line[] = "phiscope: out of memory\n";
    if (write(STDERR_FILENO, line, sizeof line - 1) < 0) exit(1);
    exit(1);
}

void *xalloc(size_t n_bytes) { return must(memory_new(n_bytes)); }

void *xcalloc(size_t n, size_t size) { return must(memory_zero(n, size)); }

void *xgrow(void *p, size_t n, size_t size) { return must(memory_grow(p, n, size)); }

char *xstrdup(const char *s) { return must(text_copy(s)); }

char *xstrndup(const char *s, size_t n) { return must(text_copyn(s, strnlen(s, n))); }

char *xasprintf(const char *format, ...)
{
    char *s = NULL;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&s, format, ap);
    va_end(ap);
    return must(n < 0 ? NULL : s);
}

char *xtake(struct text *t) { return must(text_take(t)); }
