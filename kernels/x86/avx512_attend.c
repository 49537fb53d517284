/* SPDX-License-Identifier: MIT */
#include "avx512.h"

#define SCORE_ROWS 8
#define SCORE_VECS 2
#define VALUE_ROWS 4
#define VALUE_VECS 6

#include "body/no_pairs.h"

#include "body/attend_body.h"
#include "body/kv_body.h"

void avx512_kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                   const float *v, int head_dim)
{
    kv_put(k_block, v_block, type, at, k, v, head_dim);
}

void avx512_attend(const struct attend_args *args) { attend(args); }

void avx512_attend_merge(float *out, float *states, int n_spans, int head_dim)
{
    attend_merge(out, states, n_spans, head_dim);
}
