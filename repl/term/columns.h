/* SPDX-License-Identifier: GPL-3.0-or-later
 * Two texts side by side, each wrapped in its own column. */
#ifndef TERM_COLUMNS_H
#define TERM_COLUMNS_H

#include "term/layout.h"

#define COLUMNS_WIDTH 100 /* narrower terminals have no room for two columns */

struct span {
    const char *text; /* need not be clean */
    size_t n_bytes;
    int style; /* bits of enum style */
};

/* The cursor must be in the first column, and ends in the first column below the texts. False
 * without memory; then nothing was written. */
bool columns_show(const struct term_facts *facts, FILE *out, const struct span *left, int n_left,
                  const struct span *right, int n_right);

#endif
