/* SPDX-License-Identifier: MIT
 * What the levels hand to dispatch.c: each overwrites the entries it has. */
#ifndef KERNELS_LEVELS_H
#define KERNELS_LEVELS_H

#include "kernels.h"

#define ALWAYS_INLINE inline __attribute__((always_inline))

static inline int at_most(int n, int limit) { return n < limit ? n : limit; }

void kernels_fill_portable(struct kernels *k); /* every entry */
void kernels_fill_avx2(struct kernels *k);
void kernels_fill_avxvnni(struct kernels *k);
void kernels_fill_avx512(struct kernels *k);
void kernels_fill_avx512vnni(struct kernels *k);
void kernels_fill_avx512bf16(struct kernels *k);
void kernels_fill_amx(struct kernels *k);
void kernels_fill_amx_emulated(struct kernels *k);
void kernels_fill_neon(struct kernels *k);
void kernels_fill_dotprod(struct kernels *k);
void kernels_fill_i8mm(struct kernels *k);
void kernels_fill_neonbf16(struct kernels *k);

/* Shape of the panel of widened weights that products of many rows reuse; it lives in the caller's
 * scratch. PANEL_IN is also the length after which partial sums are folded, so it is part of every
 * level's order of summation. The stride keeps neighbouring rows out of the same cache set. */
enum { PANEL_OUTS = 96, PANEL_IN = 1024, PANEL_STRIDE = PANEL_IN + 16 };

enum { ATTEND_LANES = 16 }; /* of the widest level */

/* How attend uses its scratch. States are those of attend_span_floats: weighted values, then at
 * `padded` the maximum and behind it the sum. */
struct attend_room {
    float *keys, *values; // a widened block: [head_dim][KV_BLOCK], [KV_BLOCK][padded]
    float *queries;       // [ATTEND_MAX_Q][padded]
    float *scores;        // [ATTEND_MAX_Q][KV_BLOCK], then weights
    float *sums;          // [ATTEND_MAX_Q][ATTEND_LANES]: of weights, lane by lane
    float *states;        // [ATTEND_MAX_Q]: of the span under way
    float *totals;        // [ATTEND_MAX_Q]: of the spans before it
};

static inline size_t attend_block_floats(int head_dim)
{
    return (size_t)KV_BLOCK * (size_t)kv_padded(head_dim);
}

static inline struct attend_room attend_room(float *scratch, int head_dim)
{
    struct attend_room r = {.keys = scratch};
    r.values = r.keys + attend_block_floats(head_dim);
    r.queries = r.values + attend_block_floats(head_dim);
    r.scores = r.queries + ATTEND_MAX_Q * (size_t)kv_padded(head_dim);
    r.sums = r.scores + ATTEND_MAX_Q * KV_BLOCK;
    r.states = r.sums + ATTEND_MAX_Q * ATTEND_LANES;
    r.totals = r.states + ATTEND_MAX_Q * attend_span_floats(head_dim);
    return r;
}

/* The scales of KV_Q8, behind its numbers. */
static inline size_t kv_scales_at(int head_dim) { return attend_block_floats(head_dim); }

/* Bytes of one stored element of a row-major type. */
static inline size_t weight_bytes(enum weight_type type) { return type == WEIGHT_F32 ? 4 : 2; }

/* Keys that query row i of the call sees. */
static inline int64_t attend_visible(const struct attend_args *a, int row)
{
    return a->causal ? a->first_pos + row + 1 : a->n_keys;
}

/* Keys of the span or block of n positions from `first` on that query row i sees. */
static inline int attend_seen(const struct attend_args *a, int row, int64_t first, int n)
{
    int64_t seen = attend_visible(a, row) - first;
    return seen < 0 ? 0 : seen > n ? n : (int)seen;
}

#endif
