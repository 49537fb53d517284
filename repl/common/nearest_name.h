/* SPDX-License-Identifier: MIT
 * Finds the name that was probably meant. */
#ifndef COMMON_NEAREST_NAME_H
#define COMMON_NEAREST_NAME_H

/* Number of edits (insert, delete, replace, swap neighbours) between two short names, letter case
 * ignored. */
int edit_distance(const char *a, const char *b);
/* The candidate with the fewest edits, at most a third of its length (and at least one allowed);
 * NULL when none is near. name_of(i, user) gives the i-th candidate. */
const char *nearest_name(const char *typed, int n, const char *(*name_of)(int i, void *user),
                         void *user);

#endif
