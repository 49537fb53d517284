/* SPDX-License-Identifier: MIT
 * A regular expression as a machine that is in many states at once (Thompson's). */
#ifndef SCHEMA_EXPRESSION_H
#define SCHEMA_EXPRESSION_H

#include <stdbool.h>
#include <stdint.h>

/* Takes a character from lo to hi and goes to `to`; or, where lo > hi, takes nothing and goes to `to`
 * and to `or_to`. U+0000, which no string has, stands for no character at all. */
struct node {
    uint32_t lo, hi;
    int to, or_to; // -1: nowhere
};

struct expression {
    struct node *nodes; // [n]
    int n, first, last; // a text matches that leads from first to last
    const char *why;    // what is not supported, static; NULL: all of it is
};

/* What is not anchored may stand anywhere in a text. False without memory. */
bool expression_read(const char *pattern, struct expression *ret);
void expression_free(struct expression *e);

#endif
