/* SPDX-License-Identifier: MIT
 * The name a person probably meant. */
#ifndef BASE_NEAR_H
#define BASE_NEAR_H

enum { NEAR_MAX = 200 };

/* The nearest of the names that were offered so far. Zero-initialise but for `typed`. */
struct near {
    const char *typed;
    int edits; // of best
    char best[NEAR_MAX];
};

/* Keeps `name` when it differs from what was typed in at most a third of its letters, their case
 * aside, and in fewer than the best so far; `shown` is what to type instead. */
void near_offer(struct near *n, const char *name, const char *shown);

#endif
