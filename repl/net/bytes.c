/* SPDX-License-Identifier: MIT */
#include "net/bytes.h"

#include <stdlib.h>
#include <string.h>

static int reserve(struct bytes *b, size_t n)
{
    size_t cap = b->cap ? b->cap : 1024;
    while (cap < n) cap *= 2;
    if (cap == b->cap) return 0;
    char *data = realloc(b->data, cap);
    if (!data) return BYTES_NO_MEMORY;
    b->data = data;
    b->cap = cap;
    return 0;
}

int bytes_add(struct bytes *b, const void *more, size_t n, size_t most)
{
    if (n > most - b->n) return BYTES_TOO_MANY;
    int rc = reserve(b, b->n + n + 1);
    if (rc) return rc;
    if (n) memcpy(b->data + b->n, more, n);
    b->n += n;
    b->data[b->n] = 0;
    return 0;
}

const char *bytes_text(const struct bytes *b) { return b->data ? b->data : ""; }

void bytes_fini(struct bytes *b)
{
    free(b->data);
    *b = (struct bytes){0};
}
