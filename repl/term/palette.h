/* SPDX-License-Identifier: GPL-3.0-or-later
 * From true colour to few colours: exact where the picture has few (charts, screenshots), else
 * median cut with error diffusion. */
#ifndef TERM_PALETTE_H
#define TERM_PALETTE_H

#include <stdint.h>

#define PALETTE_MAX 256

struct palette {
    int n;
    uint8_t rgb[PALETTE_MAX][3];
};

/* rgb: [height][width][3], left alone. max_colours: 2 … PALETTE_MAX. Writes one index a pixel to
 * ret_indices [height][width]. Returns 0, or -1 without memory. */
int palette_make(const uint8_t *rgb, int width, int height, int max_colours,
                 struct palette *ret_palette, uint8_t *ret_indices);
/* The entry nearest to a colour. */
int palette_nearest(const struct palette *p, int r, int g, int b);

#endif
