/* SPDX-License-Identifier: MIT
 * Memory as from malloc. Failures return NULL and are also counted, so that code that builds
 * something from many pieces can check once, at the end, whether all were allocated. */
#ifndef COMMON_MEMORY_H
#define COMMON_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "phi3v.h"

void *memory_new(size_t n_bytes);                  /* at least one byte; uninitialised */
void *memory_zero(size_t n, size_t size);          /* at least one byte; zeros */
void *memory_grow(void *p, size_t n, size_t size); /* as reallocarray; p stays on failure */
/* Makes room for one more in a list of n that only this function has grown: the size doubles. v
 * stays on failure. */
void *memory_room(void *v, size_t n, size_t size);
/* The same for `more` more in a list of n (v may be NULL). */
void *memory_room_for(void *v, size_t n, size_t more, size_t size);
void *memory_copy(const void *from, size_t n_bytes); /* NULL stays NULL */

/* How many requests have failed on this thread so far. If the number is equal before and after some
 * work, that work got all its memory. */
unsigned memory_failures(void);

/* Fills *err with the usual sentence and returns PHI3V_E_MEMORY. */
int memory_error(struct phi3v_error *err);

/* Makes the n-th request from now on fail, on any thread; 0: none. For tests. */
void memory_fail_at(long n);
bool memory_fail_pending(void); /* that request has not come yet */

#endif
