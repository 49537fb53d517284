/* SPDX-License-Identifier: MIT */
#define MATMUL_PREPARED neon_matmul_prepared
#define TILE_ROWS 2
#define SIGNED 1

#include "neon_packed.h"

/* Two products of bytes, of sizes up to 128 and 127, fit 16 bits. */
static ALWAYS_INLINE int32x4_t dot4(int32x4_t sum, int8x16_t w, int8x16_t x)
{
    int16x8_t low = vmull_s8(vget_low_s8(w), vget_low_s8(x)), high = vmull_high_s8(w, x);
    return vpadalq_s16(sum, vpaddq_s16(low, high));
}

static ALWAYS_INLINE ivec i_dot(ivec sum, ivec w, ivec x)
{
    return i_of(dot4(sum.a, s8(w.a), s8(x.a)), dot4(sum.b, s8(w.b), s8(x.b)));
}
