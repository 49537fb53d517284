/* SPDX-License-Identifier: MIT
 * Vectors of bf16 pairs of the AVX-512 BF16 level, as body/attend_body.h asks for them. */
#ifndef KERNELS_X86_AVX512_PAIRS_H
#define KERNELS_X86_AVX512_PAIRS_H

#include "avx512.h"

static ALWAYS_INLINE vec v_dot(vec a, vec b, vec acc)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)_mm512_castps_si512(a),
                            (__m512bh)_mm512_castps_si512(b));
}
/* 2 * W floats, rounded, in order */
static ALWAYS_INLINE vec v_pairs(vec low, vec high)
{
    return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(high, low));
}
static ALWAYS_INLINE vec v_first_halves(vec a)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0xffff)));
}

#endif
