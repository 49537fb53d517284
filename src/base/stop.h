/* SPDX-License-Identifier: MIT
 * Asks, between pieces of long work, whether to stop. */
#ifndef BASE_STOP_H
#define BASE_STOP_H

#include <stddef.h>

struct stop {
    int (*fn)(void *user); // NULL: always go on
    void *user;
    int seen; // fn said stop, and is not called again
};

/* True when the work must end; its result is then useless. stop may be NULL. */
static inline int stop_asked(struct stop *stop)
{
    if (stop && !stop->seen && stop->fn) stop->seen = stop->fn(stop->user) != 0;
    return stop && stop->seen;
}

/* The same for work that counts what it has done: it asks when `done` reaches *next, which then
 * moves on by `step`. */
static inline int stop_asked_at(struct stop *stop, size_t done, size_t *next, size_t step)
{
    if (done < *next) return 0;
    *next = done + step;
    return stop_asked(stop);
}

#endif
