/* SPDX-License-Identifier: GPL-3.0-or-later
 * A picture in kitty's graphics protocol (kitty, Ghostty, WezTerm, Konsole): exact colours, scaled
 * by the terminal to whole cells. */
#ifndef TERM_KITTY_H
#define TERM_KITTY_H

#include <stdint.h>
#include <stdio.h>

/* Shows rgb [height][width][3] in cols x rows cells from the cursor on, which stays where it is.
 * Returns 0, or -1 without memory: then nothing was written. */
int kitty_write(const uint8_t *rgb, int width, int height, int cols, int rows, FILE *out);

#endif
