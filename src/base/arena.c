/* SPDX-License-Identifier: MIT */
#include "base/arena.h"

#include <assert.h>

#include "base/mem.h"

int arena_init(struct arena *a, size_t cap_bytes)
{
    a->base = mem_alloc(cap_bytes);
    a->used_bytes = 0;
    a->cap_bytes = a->base ? cap_bytes : 0;
    return a->base ? 0 : -1;
}

void arena_fini(struct arena *a)
{
    mem_free(a->base);
    *a = (struct arena){0};
}

void *arena_take(struct arena *a, size_t n_bytes)
{
    size_t size = arena_size(n_bytes);
    assert(size <= a->cap_bytes - a->used_bytes);
    void *p = a->base + a->used_bytes;
    a->used_bytes += size;
    return p;
}
