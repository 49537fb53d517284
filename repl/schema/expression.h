/* SPDX-License-Identifier: MIT
 * A regular expression as a nondeterministic automaton (Thompson's construction). */
#ifndef SCHEMA_EXPRESSION_H
#define SCHEMA_EXPRESSION_H

#include <stdbool.h>
#include <stdint.h>

/* Takes a character from lo to hi and goes to `to`; or, if lo > hi, takes nothing and goes to both
 * `to` and `or_to`. U+0000, which no string contains, matches nothing. */
struct node {
    uint32_t lo, hi;
    int to, or_to; // -1: nowhere
};

struct expression {
    struct node *nodes; // [n]
    int n, first, last; // a text matches if it leads from first to last
    const char *why;    // what is not supported, static, or NULL
};

/* An expression without anchors matches anywhere in a text. False without memory. */
bool expression_read(const char *pattern, struct expression *ret);
void expression_free(struct expression *e);

#endif
