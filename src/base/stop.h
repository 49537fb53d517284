/* SPDX-License-Identifier: MIT
 * The question whether to go on with long work, asked between pieces of it. */
#ifndef BASE_STOP_H
#define BASE_STOP_H

#include <stddef.h>

struct stop {
    int (*fn)(void *user); // NULL: always go on
    void *user;
    int seen; // it has said no, and is not asked again
};

/* True when the work is to end; its result is then of no use. stop may be NULL. */
static inline int stop_asked(struct stop *stop)
{
    if (stop && !stop->seen && stop->fn) stop->seen = stop->fn(stop->user) != 0;
    return stop && stop->seen;
}

/* The same for work that counts what it has done: asked when `done` has reached *next, which is then
 * set `step` further on. */
static inline int stop_asked_at(struct stop *stop, size_t done, size_t *next, size_t step)
{
    if (done < *next) return 0;
    *next = done + step;
    return stop_asked(stop);
}

#endif
