/* SPDX-License-Identifier: GPL-3.0-or-later
 * A picture in kitty's graphics protocol (kitty, Ghostty, WezTerm, Konsole), with exact colours and
 * scaled to whole cells by the terminal. */
#ifndef TERM_KITTY_H
#define TERM_KITTY_H

#include <stdint.h>
#include <stdio.h>

/* Shows rgb [height][width][3] in cols x rows cells at the cursor, which does not move. Returns 0,
 * or -1 without memory; then nothing was written. */
int kitty_write(const uint8_t *rgb, int width, int height, int cols, int rows, FILE *out);

/* For tmux: the picture is sent past it (allow-passthrough), and tmux itself gets placeholder
 * characters, which the terminal replaces by cells of the picture, so tmux can move them freely. At
 * most KITTY_ROWS rows. kitty since 0.28, Ghostty. */
#define KITTY_ROWS 64
/* Sends rgb for cols x rows cells and returns its id. Returns 0, or -1 without memory. */
int kitty_send_hidden(const uint8_t *rgb, int width, int height, int cols, int rows, FILE *out,
                      int *ret_id);
/* Writes the placeholders of one row at the cursor. */
void kitty_row(int id, int row, int cols, FILE *out);

#endif
