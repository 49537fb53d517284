/* SPDX-License-Identifier: GPL-3.0-or-later
 * Time that only goes forward, in milliseconds, as terminals are waited for. */
#ifndef TERM_CLOCK_H
#define TERM_CLOCK_H

#include <time.h>

/* Milliseconds of a clock that only goes forward. */
static inline double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec / 1e6;
}

#endif
