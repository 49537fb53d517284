/* SPDX-License-Identifier: GPL-3.0-or-later
 * A picture as sixel graphics, through libsixel's encoder alone: the palette is ours, because
 * libsixel's own keeps only five bits a channel, and so is the envelope, because of its second
 * parameter. */
#ifndef TERM_SIXEL_H
#define TERM_SIXEL_H

#include <stdint.h>
#include <stdio.h>

#define SIXEL_SIDE_MAX 4096 // pixels
#define SIXEL_BAND 6        // rows drawn at a time; libsixel puts a lower picture one band too low

/* Writes rgb [height][width][3] (left alone; at most SIXEL_SIDE_MAX a side, at least SIXEL_BAND
 * high) with at most `registers` colours at the cursor. Where the cursor is afterwards differs
 * between terminals: save and restore it. Returns 0, or -1 without memory: then nothing was
 * written, or a whole sequence that shows only a part. */
int sixel_write(const uint8_t *rgb, int width, int height, int registers, FILE *out);
/* Version of libsixel, for bug reports. */
const char *sixel_library(void);

#endif
