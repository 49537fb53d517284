/* SPDX-License-Identifier: MIT
 * Vectors of W pairs of bf16 in the bits of W floats, and their products. */
#ifndef KERNELS_ARM_NEONBF16_H
#define KERNELS_ARM_NEONBF16_H

#include "neon.h"

/* acc + both products of each pair */
static ALWAYS_INLINE vec v_dot(vec a, vec b, vec acc)
{
    return v_of(vbfdotq_f32(acc.a, vreinterpretq_bf16_f32(a.a), vreinterpretq_bf16_f32(b.a)),
                vbfdotq_f32(acc.b, vreinterpretq_bf16_f32(a.b), vreinterpretq_bf16_f32(b.b)));
}

static ALWAYS_INLINE float32x4_t pairs4(vec x)
{
    return vreinterpretq_f32_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(x.a), x.b));
}
/* 2 * W floats, rounded, in order */
static ALWAYS_INLINE vec v_pairs(vec low, vec high) { return v_of(pairs4(low), pairs4(high)); }

#endif
