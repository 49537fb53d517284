/* SPDX-License-Identifier: MIT
 * Tiles for weights that are multiplied in f32, a function for each stored type; included by a
 * level's matmul file behind its tile_rows. */
#ifndef KERNELS_WIDENED_TILES_H
#define KERNELS_WIDENED_TILES_H

#include "matmul_driver.h"

static void tile_f32(int rows, const struct tile *t) { tile_rows(rows, WEIGHT_F32, t); }
static void tile_bf16(int rows, const struct tile *t) { tile_rows(rows, WEIGHT_BF16, t); }
static void tile_f16(int rows, const struct tile *t) { tile_rows(rows, WEIGHT_F16, t); }

static void tile_stored(int rows, enum weight_type type, const struct tile *t)
{
    if (type == WEIGHT_BF16)
        tile_bf16(rows, t);
    else if (type == WEIGHT_F16)
        tile_f16(rows, t);
    else
        tile_f32(rows, t);
}

static void tile_panel(int rows, const struct tile *t) { tile_f32(rows, t); }

#endif
