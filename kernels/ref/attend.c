/* SPDX-License-Identifier: MIT
 * Softmax attention of one head, one query row after the other, block by block: with the running
 * maximum m and sum l, what was accumulated under an older maximum is scaled by exp(old m - new m).
 */
#include "ref.h"

#include <math.h>

struct running {
    float max, sum;
};

static float dot(const float *a, const float *b, int n)
{
    float sum = 0;
    for (int i = 0; i < n; i++) sum += a[i] * b[i];
    return sum;
}

/* Folds keys 0 … n_keys-1 of one block into out and *run. */
static void fold_block(const struct attend_args *a, const float *q, int64_t block, int n_keys,
                       struct running *run, float *out)
{
    const float *k = a->kv.k[block], *v = a->kv.v[block];
    float p[KV_BLOCK], max = run->max, sum = 0;
    for (int j = 0; j < n_keys; j++) {
        p[j] = a->scale * dot(q, k + j * a->kv.stride, a->head_dim);
        if (p[j] > max) max = p[j];
    }
    for (int j = 0; j < n_keys; j++) sum += p[j] = expf(p[j] - max);
    float keep = expf(run->max - max);
    run->max = max;
    run->sum = run->sum * keep + sum;
    for (int d = 0; d < a->head_dim; d++) out[d] *= keep;
    for (int j = 0; j < n_keys; j++)
        for (int d = 0; d < a->head_dim; d++) out[d] += p[j] * v[j * a->kv.stride + d];
}

void ref_attend(const struct attend_args *a)
{
    for (int row = 0; row < a->n_q; row++) {
        const float *q = a->q + row * a->q_stride;
        float *out = a->out + row * a->out_stride;
        struct running run = {.max = -INFINITY};
        int64_t n_keys = attend_visible(a, row);
        for (int d = 0; d < a->head_dim; d++) out[d] = 0;
        for (int64_t first = 0; first < n_keys; first += KV_BLOCK) {
            int64_t left = n_keys - first;
            fold_block(a, q, first / KV_BLOCK, left < KV_BLOCK ? (int)left : KV_BLOCK, &run, out);
        }
        for (int d = 0; d < a->head_dim; d++) out[d] /= run.sum;
    }
}
