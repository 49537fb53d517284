/* SPDX-License-Identifier: GPL-3.0-or-later
 * Pictures side by side, each above its caption, for `:load` and next to an answer. */
#ifndef TERM_GALLERY_H
#define TERM_GALLERY_H

#include <stdio.h>

#include "term/picture.h"

#define GALLERY_MAX 16 /* pictures in a row */

struct gallery {
    const struct picture *pictures; // borrowed
    int n;                          // how many are in this row
    struct {
        struct picture_size size;
        int x;       // columns to its left
        int columns; // available to it and its caption
    } place[GALLERY_MAX];
    int cols, rows; // of the whole row with captions; 0: nothing is drawn
};

/* Plans one row of at most max_cols x max_rows cells. With shrink it takes all pictures and makes
 * them smaller as needed; otherwise it takes the first ones that fit at full height. */
void gallery_plan(struct gallery *g, const struct term_facts *t, const struct picture *pictures,
                  int n, int max_cols, int max_rows, bool shrink);
/* Makes room and draws. The cursor must be in the first column, and ends where it was. */
void gallery_draw(const struct gallery *g, const struct term_facts *t, FILE *out);
/* Draws all pictures in as many rows as they need; the cursor ends below them. */
void gallery_show(const struct term_facts *t, const struct picture *pictures, int n, int max_rows,
                  FILE *out);

#endif
