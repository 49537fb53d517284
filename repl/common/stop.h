/* SPDX-License-Identifier: MIT
 * Asks, between pieces of long work, whether it should stop. */
#ifndef COMMON_STOP_H
#define COMMON_STOP_H

#include <stdbool.h>
#include <stddef.h>

#include "phi3v.h"

struct stop {
    bool (*fn)(void *user);
    void *user;
};

/* stop may be NULL: then the work continues. */
static inline bool stop_asked(const struct stop *stop) { return stop && stop->fn(stop->user); }
/* The same for work that counts what it has done: asks when `done` has reached *next, and then sets
 * *next to `step` further on. */
static inline bool stop_asked_at(const struct stop *stop, size_t done, size_t *next, size_t step)
{
    if (done < *next) return false;
    *next = done + step;
    return stop_asked(stop);
}
/* Fills *err with "reading x.ipynb was cancelled" and returns PHI3V_E_CANCELLED. */
int stop_error(struct phi3v_error *err, const char *doing, const char *what);

#endif
