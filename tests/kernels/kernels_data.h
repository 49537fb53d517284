/* SPDX-License-Identifier: MIT
 * Test data for kernels: memory that ends at an unreadable page, reproducible numbers, stored
 * weights. */
#ifndef KERNELS_DATA_H
#define KERNELS_DATA_H

#include <stddef.h>

#include "kernels.h"

#define POISON (-12345.0f) /* what outputs hold before, and gaps must hold after */
#define RANDOM_MAX 1.0f

/* n_bytes whose last byte is the last readable one; alignment is what is left. Exits without
 * memory. */
void *guarded(size_t n_bytes);
void guarded_free(void *p); /* NULL is harmless */
float random_float(void);   /* -RANDOM_MAX … RANDOM_MAX, the same sequence in every run */
float *guarded_random(size_t n);
float *poisoned(size_t n); /* n times POISON, for free() */
/* n random weights of a type, at an odd address. */
void *guarded_weights(enum weight_type type, size_t n);
/* Weight i as it is stored. */
double stored(const void *weights, enum weight_type type, size_t i);

/* Times every entry of this machine's levels and prints a table; returns an exit status. */
int kernels_bench(void);

#endif
