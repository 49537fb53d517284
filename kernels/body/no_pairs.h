/* SPDX-License-Identifier: MIT
 * What attend_body.h asks for at a level without products of pairs. */
#ifndef KERNELS_NO_PAIRS_H
#define KERNELS_NO_PAIRS_H

#define PAIRS 0
static ALWAYS_INLINE vec v_dot(vec a, vec b, vec acc) { return v_fma(a, b, acc); }
static ALWAYS_INLINE vec v_pairs(vec low, vec high)
{
    (void)high;
    return low;
}
static ALWAYS_INLINE vec v_first_halves(vec a) { return a; }

#endif
