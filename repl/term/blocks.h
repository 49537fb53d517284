/* SPDX-License-Identifier: GPL-3.0-or-later
 * A picture as text: upper half blocks on a terminal with colours, a ramp of letters on others. */
#ifndef TERM_BLOCKS_H
#define TERM_BLOCKS_H

#include <stdint.h>
#include <stdio.h>

#include "term/term.h"

/* Writes one row of cells. rgb is [2][cols][3]: a cell shows two pixels, one above the other. At
 * the end attributes are reset and the cursor is after the last cell. */
void blocks_row(const uint8_t *rgb, int cols, enum term_colour colour, FILE *out);
/* The same without colours, for a dark or a light background. */
void ascii_row(const uint8_t *rgb, int cols, int light_background, FILE *out);

#endif
