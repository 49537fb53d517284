/* SPDX-License-Identifier: GPL-3.0-or-later
 * Draws a picture in the best way the terminal supports: kitty's protocol, sixel, half blocks or
 * letters. */
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
    const char *file;     // that the caption links to, or NULL
};

struct picture_size { /* in cells; 0 x 0: nothing is drawn */
    int cols, rows;
};

/* The cells a picture takes within max_cols x max_rows, the screen and the terminal's limits. It
 * keeps its proportions and is not enlarged. 0 x 0 when the terminal draws no pictures. */
struct picture_size picture_fit(const struct term_facts *t, int width, int height, int max_cols,
                                int max_rows);
/* Makes room with `rows` line ends and moves back up, so that the screen scrolls now and not in the
 * middle of a picture. The cursor must be in the first column, and rows below the screen's
 * height. */
void picture_reserve(int rows, FILE *out);
/* Draws into reserved rows, from the cursor's row on and `indent` columns from the left. The cursor
 * ends where it was. Returns 0, or -1 without memory; then nothing is drawn. */
int picture_draw(const struct term_facts *t, const struct picture *p, struct picture_size size,
                 int indent, FILE *out);

#endif
