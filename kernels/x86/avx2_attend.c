/* SPDX-License-Identifier: MIT */
#include "avx2.h"

#define SCORE_ROWS 4
#define SCORE_VECS 2
#define VALUE_ROWS 2
#define VALUE_VECS 6

#include "body/no_pairs.h"

#include "body/attend_body.h"
#include "body/kv_body.h"

void avx2_kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                 const float *v, int head_dim)
{
    kv_put(k_block, v_block, type, at, k, v, head_dim);
}

void avx2_attend(const struct attend_args *args) { attend(args); }

void avx2_attend_merge(float *out, float *states, int n_spans, int head_dim)
{
    attend_merge(out, states, n_spans, head_dim);
}
