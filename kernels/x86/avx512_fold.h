/* SPDX-License-Identifier: MIT
 * How a tile of 512-bit accumulators becomes sums, for products whose lanes run along the inputs;
 * included instead of matmul_driver.h, which it needs. */
#ifndef KERNELS_X86_AVX512_FOLD_H
#define KERNELS_X86_AVX512_FOLD_H

#include "body/matmul_driver.h"

/* Sums of the lanes of acc[row][out], 4 rows x 4 outputs at once: result lane 4*row + out. Each sum
 * is folded 8+8, 4+4, 2+2, 1+1 whatever stands beside it. */
static ALWAYS_INLINE __m512 fold(const __m512 acc[4][TILE_OUTS])
{
    __m512 quad[TILE_OUTS];
#pragma GCC unroll 4
    for (int o = 0; o < TILE_OUTS; o++) {
        __m512 a = acc[0][o], b = acc[1][o], c = acc[2][o], d = acc[3][o];
        __m512 ab =
            _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
        __m512 cd =
            _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
        quad[o] =
            _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
    }
    __m512 low =
        _mm512_add_ps(_mm512_unpacklo_ps(quad[0], quad[1]), _mm512_unpackhi_ps(quad[0], quad[1]));
    __m512 high =
        _mm512_add_ps(_mm512_unpacklo_ps(quad[2], quad[3]), _mm512_unpackhi_ps(quad[2], quad[3]));
    __m512d l = _mm512_castps_pd(low), h = _mm512_castps_pd(high);
    return _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(l, h)),
                         _mm512_castpd_ps(_mm512_unpackhi_pd(l, h)));
}

static ALWAYS_INLINE void add_row(float *y, __m128 sums, __mmask8 outs)
{
    _mm_mask_storeu_ps(y, outs, _mm_add_ps(_mm_maskz_loadu_ps(outs, y), sums));
}

/* Adds the folded accumulators of up to 4 rows to y. */
static ALWAYS_INLINE void add_rows(float *y, int64_t y_stride, int rows, __m512 sums, __mmask8 outs)
{
    add_row(y, _mm512_castps512_ps128(sums), outs);
    if (rows > 1) add_row(y + y_stride, _mm512_extractf32x4_ps(sums, 1), outs);
    if (rows > 2) add_row(y + 2 * y_stride, _mm512_extractf32x4_ps(sums, 2), outs);
    if (rows > 3) add_row(y + 3 * y_stride, _mm512_extractf32x4_ps(sums, 3), outs);
}

#endif
