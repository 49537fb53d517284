/* SPDX-License-Identifier: MIT
 * Attention with products of bf16 pairs. */
#include "avx512.h"

enum { SCORE_ROWS = 6, SCORE_VECS = 4, VALUE_ROWS = 4, VALUE_VECS = 6 };

enum { PAIRS = 1 };
static ALWAYS_INLINE vec v_dot(vec a, vec b, vec acc)
{
    return _mm512_dpbf16_ps(acc, (__m512bh)_mm512_castps_si512(a),
                            (__m512bh)_mm512_castps_si512(b));
}
/* 2 * W floats, rounded, in order */
static ALWAYS_INLINE vec v_pairs(const float *p)
{
    return _mm512_castsi512_ps((__m512i)_mm512_cvtne2ps_pbh(v_load(p + W), v_load(p)));
}
static ALWAYS_INLINE vec v_first_halves(vec a)
{
    return _mm512_castsi512_ps(_mm512_and_si512(_mm512_castps_si512(a), _mm512_set1_epi32(0xffff)));
}

#include "body/attend_body.h"

void avx512bf16_attend(const struct attend_args *args) { attend(args); }
