/* SPDX-License-Identifier: MIT
 * Packed products on 256-bit vectors; the including file defines MATMUL_PREPARED, its entry's name,
 * and i_dot. A tile is 2 rows x 16 outputs: 4 sums and 4 totals of the 16 registers. */
#ifndef KERNELS_X86_AVX2_PACKED_H
#define KERNELS_X86_AVX2_PACKED_H

#include "avx2.h"

#define TILE_ROWS 2
#define SIGNED 0

typedef __m256i ivec;

static ALWAYS_INLINE vmask v_without(vmask a, vmask b) { return _mm256_andnot_si256(b, a); }
static ALWAYS_INLINE ivec i_load(const uint8_t *p)
{
    return _mm256_loadu_si256((const __m256i *)(const void *)p);
}
static ALWAYS_INLINE ivec i_spread(int32_t a) { return _mm256_set1_epi32(a); }
static ALWAYS_INLINE ivec i_low(ivec a) { return _mm256_and_si256(a, _mm256_set1_epi8(15)); }
static ALWAYS_INLINE ivec i_high(ivec a) { return i_low(_mm256_srli_epi16(a, 4)); }
static ALWAYS_INLINE ivec i_q8(ivec a) { return a; }
static ALWAYS_INLINE vec v_from_half(const uint16_t *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)(const void *)p));
}
static ALWAYS_INLINE vec v_bits(ivec a) { return _mm256_castsi256_ps(a); }

#include "body/packed_body.h"

void MATMUL_PREPARED(float *y, int64_t y_stride, const void *rows, int n_rows, const struct mat *w,
                     const float *bias, int out_begin, int out_end, void *scratch)
{
    if (w->type == WEIGHT_BF16_PAIRS)
        multiply_rounded(avx2_matmul, y, y_stride, rows, n_rows, w, bias, out_begin, out_end,
                         scratch);
    else
        multiply_packed(y, y_stride, rows, n_rows, w, bias, out_begin, out_end);
}

#endif
