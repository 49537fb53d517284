/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static _Thread_local unsigned failures;
static atomic_long fail_at; /* requests until one fails; 0: none */

void memory_fail_at(long n) { atomic_store(&fail_at, n); }

#ifdef FAIL_ALLOC
/* PHISCOPE_FAIL_ALLOC_REPL=n: for tests/fail_alloc.sh. */
__attribute__((constructor)) static void fail_as_asked(void)
{
    const char *n = getenv("PHISCOPE_FAIL_ALLOC_REPL");
    if (n) memory_fail_at(strtol(n, NULL, 10));
}
#endif

bool memory_fail_pending(void) { return atomic_load(&fail_at) > 0; }

static int must_fail(void)
{
    return atomic_load(&fail_at) > 0 && atomic_fetch_sub(&fail_at, 1) == 1;
}

static void *counted(void *p)
{
    if (!p) failures++;
    return p;
}

void *memory_new(size_t n_bytes)
{
    return counted(must_fail() ? NULL : malloc(n_bytes ? n_bytes : 1));
}

void *memory_zero(size_t n, size_t size)
{
    return counted(must_fail() ? NULL : calloc(n ? n : 1, size ? size : 1));
}

void *memory_grow(void *p, size_t n, size_t size)
{
    return counted(must_fail() ? NULL : reallocarray(p, n ? n : 1, size));
}

void *memory_room(void *v, size_t n, size_t size)
{
    /* A list's allocation is at least its last power of two. */
    bool full = (n & (n - 1)) == 0;
    return full ? memory_grow(v, n ? 2 * n : 1, size) : v;
}

void *memory_room_for(void *v, size_t n, size_t more, size_t size)
{
    size_t room = 1;
    while (room < n + more) room *= 2;
    return memory_grow(v, room, size);
}

void *memory_copy(const void *from, size_t n_bytes)
{
    void *to = from ? memory_new(n_bytes) : NULL;
    if (to) memcpy(to, from, n_bytes);
    return to;
}

unsigned memory_failures(void) { return failures; }

int memory_error(struct phi3v_error *err)
{
    if (err) {
        err->code = PHI3V_E_MEMORY;
        snprintf(err->text, sizeof err->text, "out of memory; nothing has changed");
    }
    return PHI3V_E_MEMORY;
}
