/* SPDX-License-Identifier: MIT
 * How a tile's accumulators become sums; included by a level's matmul file instead of
 * matmul_body.h. */
#ifndef KERNELS_ARM_NEON_FOLD_H
#define KERNELS_ARM_NEON_FOLD_H

#include "body/matmul_body.h"

/* Each sum is folded 4+4, then neighbours, whatever stands beside it. */
static ALWAYS_INLINE void add_row(float *y, const vec acc[TILE_OUTS], int n_outs)
{
    float32x4_t quad[TILE_OUTS];
#pragma GCC unroll 4
    for (int o = 0; o < TILE_OUTS; o++) quad[o] = vaddq_f32(acc[o].a, acc[o].b);
    float32x4_t sums = vpaddq_f32(vpaddq_f32(quad[0], quad[1]), vpaddq_f32(quad[2], quad[3]));
    if (n_outs == TILE_OUTS) {
        vst1q_f32(y, vaddq_f32(vld1q_f32(y), sums));
        return;
    }
    float part[TILE_OUTS];
    vst1q_f32(part, sums);
    for (int o = 0; o < n_outs; o++) y[o] += part[o];
}

#endif
