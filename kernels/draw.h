/* SPDX-License-Identifier: MIT
 * How a token is drawn from logits (engine/sample.h has the order of the operators), in terms that
 * give the same token on every processor: weights are integers, whose sums do not depend on their
 * order, and the exponential is made of single multiplications and additions, each rounded as IEEE
 * 754 says. The engine draws with them by sorting, a GPU by searching (kernels/cuda/sample.cu). */
#ifndef DRAW_H
#define DRAW_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#ifdef __CUDACC__
#define DRAW_FN static __host__ __device__ inline
#else
#define DRAW_FN static inline
#endif

/* What a draw depends on beside the logits and the ids seen so far. */
struct draw {
    float temperature; // 0: the likeliest, the lowest among equals; nothing is drawn
    int32_t top_k;     // 0: off
    float top_p, min_p, repetition_penalty;
    uint64_t random[4]; // state of xoshiro256**
};

/* Whether the choice is the likeliest token and nothing else, whatever was seen. */
DRAW_FN int draw_is_plain(const struct draw *d)
{
    return d->temperature == 0 && d->repetition_penalty == 1;
}

/* -- Random numbers ---------------------------------------------------------------------------- */

DRAW_FN uint64_t draw_rotated(uint64_t x, int k) { return (x << k) | (x >> (64 - k)); }

/* The stream's next number: [0, 1). */
DRAW_FN double draw_random(uint64_t s[4])
{
    uint64_t result = draw_rotated(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = draw_rotated(s[3], 45);
    return (double)(result >> 11) * 0x1p-53;
}

/* -- Values ------------------------------------------------------------------------------------ */

DRAW_FN float draw_penalised(float logit, int is_seen, float penalty)
{
    float x = logit;
    if (penalty != 1 && is_seen) x = x < 0 ? x * penalty : x / penalty;
    return x + 0.0f; // no negative zero: it would sort below zero
}

/* A number that is larger where the float is, and back. */
DRAW_FN uint32_t draw_key(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits & 0x80000000u ? ~bits : bits | 0x80000000u;
}
DRAW_FN float draw_value(uint32_t key)
{
    uint32_t bits = key & 0x80000000u ? key & 0x7fffffffu : ~key;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

/* -- Weights ----------------------------------------------------------------------------------- */

/* A compiler may join a multiplication and an addition, rounding once. It does not across these. */
DRAW_FN double draw_product(double a, double b)
{
#ifdef __CUDA_ARCH__
    return __dmul_rn(a, b);
#else
    return a * b;
#endif
}
DRAW_FN double draw_sum(double a, double b)
{
#ifdef __CUDA_ARCH__
    return __dadd_rn(a, b);
#else
    return a + b;
#endif
}

/* exp(x) to a unit in the last place or two, -40 <= x <= 0: the power of two next to it, times the
 * Taylor series of the rest, at most ln 2 / 2, to its twelfth power. */
DRAW_FN double draw_exp(double x)
{
    const double log2_e = 1.4426950408889634;
    const double ln2_upper = 0x1.62e42feep-1, ln2_lower = 0x1.a39ef35793c76p-33; // together ln 2
    int k = (int)draw_sum(draw_product(x, log2_e), -0.5); // to the nearest: x is not positive
    double r = draw_sum(draw_sum(x, -draw_product(k, ln2_upper)), -draw_product(k, ln2_lower));
    double y = 1.0;
    for (int i = 12; i > 0; i--) y = draw_sum(draw_product(draw_product(y, r), 1.0 / i), 1.0);
    return y / (double)(UINT64_C(1) << -k);
}

/* What the likeliest token weighs: 2^23 of them fit a sum. */
#define DRAW_ONE 0x1p40

/* exp(value - top) of DRAW_ONE, rounded. value <= top, which is finite. */
DRAW_FN uint64_t draw_weight(float value, float top)
{
    double x = (double)value - (double)top;
    if (!(x > -29)) return 0; // below half a unit
    return (uint64_t)draw_sum(draw_product(draw_exp(x), DRAW_ONE), 0.5);
}

/* A share of a total, 0 <= share <= 1, always below it: what a running sum has to exceed. */
DRAW_FN uint64_t draw_share(double share, uint64_t total)
{
    uint64_t part = (uint64_t)draw_product(share, (double)total);
    return part < total ? part : total - 1;
}

/* The smallest weight that min_p keeps. */
DRAW_FN uint64_t draw_least(float min_p)
{
    double least = (double)min_p * DRAW_ONE;
    uint64_t n = (uint64_t)least;
    return (double)n < least ? n + 1 : n;
}

#endif
