/* SPDX-License-Identifier: MIT
 * A growing byte buffer that is always NUL-terminated. Failure is remembered (sticky) so that a
 * series of appends needs one check at its end. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

struct buf {
    char *data; /* NULL while empty */
    size_t n, cap;
    bool failed; /* an append ran out of memory; the contents are incomplete */
};

/* A buffer begins as = {0}. */
void buf_fini(struct buf *b);
void buf_clear(struct buf *b); /* keeps the memory */
/* Makes room for `more` bytes, so that appending them does not allocate. */
void buf_reserve(struct buf *b, size_t more);
void buf_append(struct buf *b, const void *bytes, size_t n);
void buf_puts(struct buf *b, const char *s);
void buf_putc(struct buf *b, char c);
void buf_printf(struct buf *b, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Hands the memory over (mem_free); never NULL unless failed. b is empty afterwards. */
char *buf_take(struct buf *b);

#endif
