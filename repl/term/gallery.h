/* SPDX-License-Identifier: GPL-3.0-or-later
 * Pictures side by side, each above its caption: what `:load` shows, and what stands beside an
 * answer. */
#ifndef TERM_GALLERY_H
#define TERM_GALLERY_H

#include <stdio.h>

#include "term/picture.h"

#define GALLERY_MAX 16 /* pictures in a row */

struct gallery {
    const struct picture *pictures; // borrowed
    int n;                          // of them, in this row
    struct {
        struct picture_size size;
        int x;       // columns to its left
        int columns; // it and its caption may take
    } place[GALLERY_MAX];
    int cols, rows; // all take, captions included; 0: nothing is drawn
};

/* Plans one row of at most max_cols x max_rows cells. shrink: all of the pictures, made smaller
 * where they must be; else the first ones that fit at full height. */
void gallery_plan(struct gallery *g, const struct term_facts *t, const struct picture *pictures,
                  int n, int max_cols, int max_rows, bool shrink);
/* Makes room and draws; the cursor, which is in the first column, ends where it was. */
void gallery_draw(const struct gallery *g, const struct term_facts *t, FILE *out);
/* As many rows as all pictures need, one below the other; the cursor ends below. */
void gallery_show(const struct term_facts *t, const struct picture *pictures, int n, int max_rows,
                  FILE *out);

#endif
