/* SPDX-License-Identifier: GPL-3.0-or-later
 * A picture as text: upper half blocks where there are colours, a ramp of letters where there are
 * none. */
#ifndef TERM_BLOCKS_H
#define TERM_BLOCKS_H

#include <stdint.h>
#include <stdio.h>

#include "term/term.h"

/* One row of cells; rgb is [2][cols][3], two pixels above each other to a cell. Ends with the
 * attributes reset, the cursor behind the last cell. */
void blocks_row(const uint8_t *rgb, int cols, enum term_colour colour, FILE *out);
/* The same without any colour, for a dark or a light background. */
void ascii_row(const uint8_t *rgb, int cols, int light_background, FILE *out);

#endif
