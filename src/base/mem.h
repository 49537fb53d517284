/* SPDX-License-Identifier: MIT
 * All heap memory of the library: 64-byte aligned, counted, checked for overflow, and able to fail
 * on purpose, so that tests reach every out-of-memory path. NULL means failure; nothing aborts. */
#ifndef BASE_MEM_H
#define BASE_MEM_H

#include <stdbool.h>
#include <stddef.h>

void *mem_alloc(size_t n_bytes);              /* uninitialised; n_bytes 0 gives a valid pointer */
void *mem_zalloc(size_t n_bytes);             /* zeroed */
void *mem_array(size_t n, size_t item_bytes); /* n * item_bytes, uninitialised; NULL on overflow */
void *mem_zarray(size_t n, size_t item_bytes);
void *mem_resize(void *p, size_t n, size_t item_bytes); /* like realloc; p stays valid on failure */
char *mem_strdup(const char *s);
char *mem_strndup(const char *s, size_t n);
void mem_free(void *p); /* NULL is harmless */
/* Zeroed memory in pages, large ones if possible, for data that is large, lives long and is read in
 * streams. Free it with the same size. */
void *mem_pages(size_t n_bytes);
void mem_pages_free(void *p, size_t n_bytes); /* NULL is harmless */

bool size_mul(size_t a, size_t b, size_t *ret); /* false on overflow */
bool size_add(size_t a, size_t b, size_t *ret);

size_t mem_in_use_bytes(void);
/* What the system could still give (MemAvailable, cgroup limit). */
size_t mem_available_bytes(void);
void mem_fail_at(long n);    /* tests: the n-th allocation from now fails; 0 switches it off */
bool mem_fail_pending(void); /* tests: that allocation has not come yet */

/* CLEANUP(mem_free_ptr) float *x = …; frees at the end of the scope. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))
void mem_free_ptr(void *pp);

#endif
