/* SPDX-License-Identifier: MIT
 * Checks of the kernel table, run at every level that has entries of its own for them. */
#ifndef LEVEL_CHECKS_H
#define LEVEL_CHECKS_H

#include <stddef.h>

#include "kernels.h"

/* A check of the entries between two bytes of the table, both included; its state is a level's
 * struct kernels. */
struct level_check {
    const char *name;
    void (*fn)(void **state);
    size_t begin, end;
};
#define ENTRIES(first, last)                                                                       \
    offsetof(struct kernels, first), offsetof(struct kernels, last) + sizeof(void *)

enum { MAX_LEVEL_CHECKS = 16 };

/* Runs them with cmocka; a level whose entries are all those of one below is not run again. Returns
 * how many failed. */
int run_checks(const char *group, const struct level_check *checks, int n_checks);

#endif
