/* SPDX-License-Identifier: GPL-3.0-or-later
 * Draws a picture in whichever way the terminal can: sixel, half blocks, letters. */
#ifndef TERM_PICTURE_H
#define TERM_PICTURE_H

#include <stdint.h>
#include <stdio.h>

#include "term/term.h"

struct picture { /* borrowed */
    int width, height;
    const uint8_t *rgb;   // [height][width][3]
    const uint8_t *alpha; // [height][width] or NULL; blended over the terminal's background
    const char *caption;  // or NULL
    const char *file;     // that the caption stands for, or NULL
};

struct picture_size { /* in cells; 0 x 0: nothing is drawn */
    int cols, rows;
};

/* The cells a picture takes within max_cols x max_rows (and the screen, and the terminal's limits),
 * in its own proportions and not larger than its own pixels. 0 x 0 when the terminal draws no
 * pictures. */
struct picture_size picture_fit(const struct term_facts *t, int width, int height, int max_cols,
                                int max_rows);
/* Makes room: `rows` line ends (the screen scrolls now, not in the middle of a picture), then back
 * up. The cursor must be in the first column; rows is less than the screen's. */
void picture_reserve(int rows, FILE *out);
/* Draws at the cursor's row, `indent` columns from the left, into reserved rows. The cursor ends
 * where it was. Returns 0, or -1 without memory (nothing is drawn). */
int picture_draw(const struct term_facts *t, const struct picture *p, struct picture_size size,
                 int indent, FILE *out);
/* Reserve, draw, and go on below in the first column: for `:load` and `:show`. Returns the cells
 * used. */
struct picture_size picture_show(const struct term_facts *t, const struct picture *p, int max_cols,
                                 int max_rows, FILE *out);

#endif
