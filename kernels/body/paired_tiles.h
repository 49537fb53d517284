/* SPDX-License-Identifier: MIT
 * Tiles for bf16 weights that are multiplied as pairs, which a panel holds as they are stored;
 * included by a level's matmul file behind its tile_rows. */
#ifndef KERNELS_PAIRED_TILES_H
#define KERNELS_PAIRED_TILES_H

#include "matmul_driver.h"

static void tile_panel(int rows, const struct tile *t) { tile_rows(rows, WEIGHT_BF16_PAIRS, t); }

static void tile_stored(int rows, enum weight_type type, const struct tile *t)
{
    (void)type;
    tile_panel(rows, t);
}

#endif
