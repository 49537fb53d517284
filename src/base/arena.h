/* SPDX-License-Identifier: MIT
 * A stack of scratch memory, sized in advance, so that a forward pass does not allocate. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include <stddef.h>

struct arena {
    char *base;
    size_t used_bytes, cap_bytes;
};

int arena_init(struct arena *a, size_t cap_bytes); /* 0, or -1 without memory */
void arena_fini(struct arena *a);
/* 64-byte aligned; asserts that it fits, because the caller computed cap_bytes with
 * arena_size(). */
void *arena_take(struct arena *a, size_t n_bytes);
static inline size_t arena_size(size_t n_bytes) { return (n_bytes + 63) & ~(size_t)63; }
static inline size_t arena_mark(const struct arena *a) { return a->used_bytes; }
static inline void arena_release(struct arena *a, size_t mark) { a->used_bytes = mark; }

#endif
