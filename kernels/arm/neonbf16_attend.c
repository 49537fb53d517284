/* SPDX-License-Identifier: MIT
 * Attention with products of bf16 pairs. */
#include "neonbf16.h"

#define SCORE_ROWS 4
#define SCORE_VECS 2
#define VALUE_ROWS 2
#define VALUE_VECS 6

#define PAIRS 1

static ALWAYS_INLINE float32x4_t first_halves4(float32x4_t a)
{
    return vreinterpretq_f32_u32(vandq_u32(vreinterpretq_u32_f32(a), vdupq_n_u32(0xffff)));
}
static ALWAYS_INLINE vec v_first_halves(vec a)
{
    return v_of(first_halves4(a.a), first_halves4(a.b));
}

#include "body/attend_body.h"

void neonbf16_attend(const struct attend_args *args) { attend(args); }
