/* SPDX-License-Identifier: MIT
 * Packed products on pairs of registers; the including file defines MATMUL_PREPARED, its entry's
 * name, SIGNED and i_dot. A tile is TILE_ROWS rows x 16 outputs. */
#ifndef KERNELS_ARM_NEON_PACKED_H
#define KERNELS_ARM_NEON_PACKED_H

#include "neon.h"

typedef struct {
    int32x4_t a, b;
} ivec;

static ALWAYS_INLINE ivec i_of(int32x4_t a, int32x4_t b) { return (ivec){a, b}; }
static ALWAYS_INLINE ivec i_bytes(uint8x16_t a, uint8x16_t b)
{
    return i_of(vreinterpretq_s32_u8(a), vreinterpretq_s32_u8(b));
}
static ALWAYS_INLINE uint8x16_t u8(int32x4_t a) { return vreinterpretq_u8_s32(a); }
static ALWAYS_INLINE int8x16_t s8(int32x4_t a) { return vreinterpretq_s8_s32(a); }

static ALWAYS_INLINE vmask v_without(vmask a, vmask b) { return a & ~b; }
static ALWAYS_INLINE ivec i_load(const uint8_t *p)
{
    return i_bytes(vld1q_u8(p), vld1q_u8(p + 16));
}
static ALWAYS_INLINE ivec i_spread(int32_t a) { return i_of(vdupq_n_s32(a), vdupq_n_s32(a)); }
static ALWAYS_INLINE ivec i_low(ivec a)
{
    const uint8x16_t low = vdupq_n_u8(15);
    return i_bytes(vandq_u8(u8(a.a), low), vandq_u8(u8(a.b), low));
}
static ALWAYS_INLINE ivec i_high(ivec a)
{
    return i_bytes(vshrq_n_u8(u8(a.a), 4), vshrq_n_u8(u8(a.b), 4));
}
static ALWAYS_INLINE vec v_from_half(const uint16_t *p) { return v_load_f16(p); }
static ALWAYS_INLINE vec v_bits(ivec a)
{
    return v_of(vreinterpretq_f32_s32(a.a), vreinterpretq_f32_s32(a.b));
}
static ALWAYS_INLINE ivec i_q8(ivec a)
{
    const uint8x16_t top = vdupq_n_u8(SIGNED ? 0x80 : 0);
    return i_bytes(veorq_u8(u8(a.a), top), veorq_u8(u8(a.b), top));
}

#include "body/packed_body.h"

void MATMUL_PREPARED(float *y, int64_t y_stride, const void *rows, int n_rows, const struct mat *w,
                     const float *bias, int out_begin, int out_end, void *scratch)
{
    if (w->type == WEIGHT_BF16_PAIRS)
        multiply_rounded(neon_matmul, y, y_stride, rows, n_rows, w, bias, out_begin, out_end,
                         scratch);
    else
        multiply_packed(y, y_stride, rows, n_rows, w, bias, out_begin, out_end);
}

#endif
