/* SPDX-License-Identifier: GPL-3.0-or-later
 * A picture as sixel graphics. Only libsixel's encoder is used: its palette keeps just five bits
 * per channel, and its introducer has the wrong second parameter. */
#ifndef TERM_SIXEL_H
#define TERM_SIXEL_H

#include <stdint.h>
#include <stdio.h>

#define SIXEL_SIDE_MAX 4096 // pixels
#define SIXEL_BAND 6        // rows of a band; libsixel draws a picture with fewer one band too low

/* Writes rgb [height][width][3] (sides at most SIXEL_SIDE_MAX, height at least SIXEL_BAND) with at
 * most `registers` colours at the cursor. Terminals differ in where they leave the cursor, so save
 * and restore it. Returns 0, or -1 without memory; then nothing was written, or a complete sequence
 * that shows a part of the picture. */
int sixel_write(const uint8_t *rgb, int width, int height, int registers, FILE *out);
/* Version of libsixel, for bug reports. */
const char *sixel_library(void);

#endif
