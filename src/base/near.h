/* SPDX-License-Identifier: MIT
 * Finds the name that a person probably meant. */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

enum { NEAR_MAX = 200 };

/* The nearest name offered so far. Zero-initialise all but `typed`. */
struct near {
    const char *typed;
    int edits; // of best
    char best[NEAR_MAX];
};

/* Keeps `name` if, ignoring case, it differs from `typed` in at most a third of its letters and in
 * fewer than the best name so far; `shown` is what to suggest. */
void near_offer(struct near *n, const char *name, const char *shown);

#endif
