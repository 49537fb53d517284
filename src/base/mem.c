/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/mem.h"

#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "base/env.h"
#include "base/numa.h"

enum { LARGE_PAGE = 2 << 20 };

/* Each block is preceded by one cache line that holds its size. */
enum { HEAD = 64 };

static atomic_size_t in_use;
static atomic_long fail_countdown;

static bool told_to_fail(void)
{
    if (atomic_load_explicit(&fail_countdown, memory_order_relaxed) <= 0) return false;
    return atomic_fetch_sub(&fail_countdown, 1) == 1;
}

bool size_mul(size_t a, size_t b, size_t *ret) { return !__builtin_mul_overflow(a, b, ret); }

bool size_add(size_t a, size_t b, size_t *ret) { return !__builtin_add_overflow(a, b, ret); }

/* Asks for large pages for big blocks; a refusal only costs speed. */
static void want_large_pages(char *p, size_t n_bytes)
{
    if (n_bytes < 2 * LARGE_PAGE) return;
    char *begin = p + (LARGE_PAGE - (uintptr_t)p % LARGE_PAGE) % LARGE_PAGE;
    madvise(begin, n_bytes - (size_t)(begin - p), MADV_HUGEPAGE);
}

void *mem_alloc(size_t n_bytes)
{
    size_t total;
    if (told_to_fail() || !size_add(n_bytes, 2 * HEAD - 1, &total) || total > PTRDIFF_MAX)
        return NULL;
    total &= ~(size_t)(HEAD - 1); // aligned_alloc needs a multiple of the alignment
    char *block = aligned_alloc(HEAD, total);
    if (!block) return NULL;
    want_large_pages(block, total);
    memcpy(block, &n_bytes, sizeof n_bytes);
    atomic_fetch_add_explicit(&in_use, n_bytes, memory_order_relaxed);
    return block + HEAD;
}

void *mem_zalloc(size_t n_bytes)
{
    void *p = mem_alloc(n_bytes);
    if (p) memset(p, 0, n_bytes);
    return p;
}

void *mem_array(size_t n, size_t item_bytes)
{
    size_t bytes;
    return size_mul(n, item_bytes, &bytes) ? mem_alloc(bytes) : NULL;
}

void *mem_zarray(size_t n, size_t item_bytes)
{
    size_t bytes;
    return size_mul(n, item_bytes, &bytes) ? mem_zalloc(bytes) : NULL;
}

static size_t block_bytes(const void *p)
{
    size_t n;
    memcpy(&n, (const char *)p - HEAD, sizeof n);
    return n;
}

void *mem_resize(void *p, size_t n, size_t item_bytes)
{
    void *q = mem_array(n, item_bytes);
    if (!p || !q) return q;
    size_t old = block_bytes(p), bytes = n * item_bytes;
    memcpy(q, p, old < bytes ? old : bytes);
    mem_free(p);
    return q;
}

char *mem_strndup(const char *s, size_t n)
{
    char *copy = mem_alloc(n + 1);
    if (!copy) return NULL;
    memcpy(copy, s, n);
    copy[n] = 0;
    return copy;
}

char *mem_strdup(const char *s) { return mem_strndup(s, strlen(s)); }

void mem_free(void *p)
{
    if (!p) return;
    atomic_fetch_sub_explicit(&in_use, block_bytes(p), memory_order_relaxed);
    free((char *)p - HEAD);
}

void mem_free_ptr(void *pp)
{
    void *p;
    memcpy(&p, pp, sizeof p); // pp is any T **
    mem_free(p);
}

static size_t whole_pages(size_t n_bytes)
{
    return (n_bytes + LARGE_PAGE - 1) / LARGE_PAGE * LARGE_PAGE;
}

/* A mapping may begin at any small page, so this maps one more large page and unmaps both ends. */
void *mem_pages(size_t n_bytes)
{
    if (told_to_fail() || n_bytes > PTRDIFF_MAX - 2 * LARGE_PAGE) return NULL;
    size_t kept = whole_pages(n_bytes);
    char *p =
        mmap(NULL, kept + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) return NULL;
    size_t before = (LARGE_PAGE - (uintptr_t)p % LARGE_PAGE) % LARGE_PAGE;
    if (before > 0) munmap(p, before);
    munmap(p + before + kept, LARGE_PAGE - before);
    want_large_pages(p + before, kept);
    numa_spread(p + before, kept);
    atomic_fetch_add_explicit(&in_use, n_bytes, memory_order_relaxed);
    return p + before;
}

void mem_pages_free(void *p, size_t n_bytes)
{
    if (!p) return;
    atomic_fetch_sub_explicit(&in_use, n_bytes, memory_order_relaxed);
    munmap(p, whole_pages(n_bytes));
}

size_t mem_in_use_bytes(void) { return atomic_load(&in_use); }

void mem_fail_at(long n) { atomic_store(&fail_countdown, n); }

#ifdef FAIL_ALLOC
__attribute__((constructor)) static void fail_as_asked(void) { mem_fail_at(env_fail_alloc()); }
#endif

bool mem_fail_pending(void) { return atomic_load(&fail_countdown) > 0; }

/* -- What the system could still give -------------------------------------------------------- */

static size_t read_number(const char *path, const char *key)
{
    FILE *f = fopen(path, "re");
    if (!f) return SIZE_MAX;
    char line[256];
    unsigned long long value = 0;
    size_t result = SIZE_MAX;
    size_t key_len = strlen(key);
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, key, key_len) == 0 && sscanf(line + key_len, "%llu", &value) == 1) {
            result = (size_t)value;
            break;
        }
    }
    fclose(f);
    return result;
}

size_t mem_available_bytes(void)
{
    size_t kib = read_number("/proc/meminfo", "MemAvailable:");
    size_t free_bytes = kib == SIZE_MAX ? SIZE_MAX : kib * 1024;
    size_t limit = read_number("/sys/fs/cgroup/memory.max", "");
    size_t used = read_number("/sys/fs/cgroup/memory.current", "");
    if (limit != SIZE_MAX && used != SIZE_MAX) {
        size_t left = limit > used ? limit - used : 0;
        if (left < free_bytes) free_bytes = left;
    }
    return free_bytes;
}
