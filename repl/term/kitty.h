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

/* The way through tmux: the picture is sent past it (allow-passthrough), and what tmux itself gets
 * are letters in whose place the terminal puts the picture's cells, so that it may move them as it
 * likes. At most KITTY_ROWS rows. kitty since 0.28, Ghostty. */
#define KITTY_ROWS 64
/* Sends rgb for cols x rows cells, as the picture *ret_id. 0, or -1 without memory. */
int kitty_send_hidden(const uint8_t *rgb, int width, int height, int cols, int rows, FILE *out,
                      int *ret_id);
/* Row `row` of it, from the cursor on. */
void kitty_row(int id, int row, int cols, FILE *out);

#endif
