/* SPDX-License-Identifier: MIT
 * What the levels hand to table.c: each overwrites the entries it has. */
#ifndef KERNELS_LEVELS_H
#define KERNELS_LEVELS_H

#include "kernels.h"

void kernels_fill_portable(struct kernels *k); /* every entry */
void kernels_fill_avx2(struct kernels *k);
void kernels_fill_avx512(struct kernels *k);

/* Shape of the panel of widened weights that products of many rows reuse; it lives in the caller's
 * scratch. PANEL_IN is also the length after which partial sums are folded, so it is part of every
 * level's order of summation. The stride keeps neighbouring rows out of the same cache set. */
enum { PANEL_OUTS = 96, PANEL_IN = 1024, PANEL_STRIDE = PANEL_IN + 16 };

/* Floats per attend scratch beside the head_dim * KV_BLOCK of one transposed block of keys. */
enum { ATTEND_SCORE_FLOATS = ATTEND_MAX_Q * KV_BLOCK };

/* Bytes of one stored element. */
static inline size_t weight_bytes(enum weight_type type) { return type == WEIGHT_F32 ? 4 : 2; }

/* Keys that query row i of the call sees. */
static inline int64_t attend_visible(const struct attend_args *a, int row)
{
    return a->causal ? a->first_pos + row + 1 : a->n_keys;
}

#endif
