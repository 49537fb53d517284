/* SPDX-License-Identifier: GPL-3.0-or-later
 * Reduces true colour to a palette: exactly if the picture has few colours (charts, screenshots),
 * else by median cut with error diffusion. */
#ifndef TERM_PALETTE_H
#define TERM_PALETTE_H

#include <stdint.h>

#define PALETTE_MAX 256

struct palette {
    int n;
    uint8_t rgb[PALETTE_MAX][3];
};

/* rgb is [height][width][3], max_colours 2 … PALETTE_MAX. Writes one index per pixel to ret_indices
 * [height][width]. Returns 0, or -1 without memory. */
int palette_make(const uint8_t *rgb, int width, int height, int max_colours,
                 struct palette *ret_palette, uint8_t *ret_indices);
/* The entry nearest to a colour. */
int palette_nearest(const struct palette *p, int r, int g, int b);

#endif
