/* SPDX-License-Identifier: MIT
 * Memory as malloc gives it. A failure returns NULL and is also counted, so that whoever builds
 * something of many small pieces can ask once, at its end, whether all of them are there. */
#ifndef COMMON_MEMORY_H
#define COMMON_MEMORY_H

#include <stdbool.h>
#include <stddef.h>

#include "phi3v.h"

void *memory_new(size_t n_bytes);                  /* at least one byte; uninitialised */
void *memory_zero(size_t n, size_t size);          /* at least one byte; zeros */
void *memory_grow(void *p, size_t n, size_t size); /* as reallocarray; p stays on failure */
/* Room for one more in a list of n that never grew another way: it doubles. v stays on failure. */
void *memory_room(void *v, size_t n, size_t size);
/* The same for a list of n (v may be NULL) that is to hold `more` more. */
void *memory_room_for(void *v, size_t n, size_t more, size_t size);
void *memory_copy(const void *from, size_t n_bytes); /* NULL stays NULL */

/* How many requests have failed on this thread so far. What lies between two equal numbers had all
 * its memory. */
unsigned memory_failures(void);

/* Fills *err with the one sentence for this and returns PHI3V_E_MEMORY. */
int memory_error(struct phi3v_error *err);

/* Lets the n-th request from now on fail, on any thread; 0: none. For tests. */
void memory_fail_at(long n);
bool memory_fail_pending(void); /* that request has not come yet */

#endif
