/* SPDX-License-Identifier: GPL-3.0-or-later
 * Two texts side by side, each wrapped in a column of its own. */
#ifndef TERM_COLUMNS_H
#define TERM_COLUMNS_H

#include "term/layout.h"

#define COLUMNS_WIDTH 100 /* a terminal narrower than this has no room for two */

struct span {
    const char *text; /* not cleaned yet */
    size_t n_bytes;
    int style; /* bits of enum style */
};

/* The cursor must be in the first column, and is there below the texts afterwards. False without
 * memory, with nothing written. */
bool columns_show(const struct term_facts *facts, FILE *out, const struct span *left, int n_left,
                  const struct span *right, int n_right);

#endif
