/* SPDX-License-Identifier: MIT
 * Attention in terms of a level's vectors; included once by each level's attend file, which defines
 *   SCORE_ROWS, VALUE_ROWS  query rows whose scores or values are computed together
 *   VALUE_VECS              vectors of the head computed together
 *   transpose_keys          one block of keys -> [head_dim][KV_BLOCK]
 *
 * A block of keys is transposed once per call, so that scores are sums over the head without a sum
 * across lanes. Each score and each value is one chain of multiply-adds in the order of the head
 * and of the keys, whatever rows stand beside it. */
#ifndef KERNELS_X86_ATTEND_BODY_H
#define KERNELS_X86_ATTEND_BODY_H

#include <math.h>

#include "vexp.h"

enum { KEY_VECS = 4 }; /* vectors of keys computed together */

/* keys: [head_dim][KV_BLOCK]. v: the block's values, to be asked for meanwhile. */
static void transpose_keys(float *keys, const float *k, const float *v, int64_t stride,
                           int head_dim);

/* Asks for the first n floats of n_rows rows: a block is read once per call, in pieces too short
 * for the processor to foresee. */
static ALWAYS_INLINE void prefetch_rows(const float *p, int64_t stride, int n_rows, int n)
{
    for (int row = 0; row < n_rows; row++)
        for (int i = 0; i < n; i += 16) __builtin_prefetch(p + row * stride + i);
}

/* The state of one call. */
struct attend_run {
    const struct attend_args *a;
    float *keys;   /* [head_dim][KV_BLOCK] */
    float *scores; /* [ATTEND_MAX_Q][KV_BLOCK], then weights */
    float max[ATTEND_MAX_Q], sum[ATTEND_MAX_Q], keep[ATTEND_MAX_Q];
};

/* Scores of `rows` (a constant) query rows against KEY_VECS * W keys. */
static ALWAYS_INLINE void score_tile(int rows, const struct attend_run *run, int row, int first_key)
{
    const struct attend_args *a = run->a;
    const float *q = a->q + row * a->q_stride, *keys = run->keys + first_key;
    vec acc[SCORE_ROWS][KEY_VECS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < KEY_VECS; i++) acc[r][i] = v_set(0);
    for (int d = 0; d < a->head_dim; d++, keys += KV_BLOCK) {
        vec k[KEY_VECS];
#pragma GCC unroll 4
        for (int i = 0; i < KEY_VECS; i++) k[i] = v_load(keys + i * W);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vec x = v_set(q[r * a->q_stride + d]);
#pragma GCC unroll 4
            for (int i = 0; i < KEY_VECS; i++) acc[r][i] = v_fma(x, k[i], acc[r][i]);
        }
    }
    vec scale = v_set(a->scale);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < KEY_VECS; i++)
            v_store(run->scores + (row + r) * KV_BLOCK + first_key + i * W,
                    v_mul(acc[r][i], scale));
}

static void score_rows(const struct attend_run *run, int row, int n_q)
{
    for (; row + SCORE_ROWS <= n_q; row += SCORE_ROWS)
        for (int key = 0; key < KV_BLOCK; key += KEY_VECS * W)
            score_tile(SCORE_ROWS, run, row, key);
    for (; row < n_q; row++)
        for (int key = 0; key < KV_BLOCK; key += KEY_VECS * W) score_tile(1, run, row, key);
}

/* Scores of one row -> exp(score - maximum), with the running maximum and sum. Scores of keys from
 * n_keys on are whatever lay in the block; they are replaced before use. */
static void weigh_row(struct attend_run *run, int row, int n_keys)
{
    enum { VECS = KV_BLOCK / W };
    float *scores = run->scores + row * KV_BLOCK;
    vec s[VECS], high = v_set(-INFINITY), sum = v_set(0);
    for (int i = 0; i < VECS; i++) {
        vmask seen = v_first(n_keys > i * W ? n_keys - i * W : 0);
        s[i] = v_choose(seen, v_load(scores + i * W), v_set(-INFINITY));
        high = v_max(high, s[i]);
    }
    float old = run->max[row], max = fmaxf(old, v_highest(high));
    for (int i = 0; i < VECS; i++) {
        s[i] = v_exp(v_sub(s[i], v_set(max)));
        sum = v_add(sum, s[i]);
        v_store(scores + i * W, s[i]);
    }
    float keep[W];
    v_store(keep, v_exp(v_set(old - max)));
    run->keep[row] = keep[0];
    run->max[row] = max;
    run->sum[row] = run->sum[row] * keep[0] + v_sum(sum);
}

/* out = out * keep + weights . values for `rows` rows and `vecs` vectors (constants) from dimension
 * d. */
static ALWAYS_INLINE void value_tile(int rows, int vecs, const struct attend_run *run, int row,
                                     int n_keys, int d, const float *v)
{
    const struct attend_args *a = run->a;
    const float *weights = run->scores + row * KV_BLOCK;
    float *out = a->out + row * a->out_stride + d;
    const int64_t stride = a->kv.stride;
    const vmask last = v_first(a->head_dim - d - (vecs - 1) * W);
    vec acc[VALUE_ROWS][VALUE_VECS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        vec keep = v_set(run->keep[row + r]);
#pragma GCC unroll 8
        for (int i = 0; i < vecs; i++) {
            const float *from = out + r * a->out_stride + i * W;
            acc[r][i] = v_mul(i == vecs - 1 ? v_load_some(from, last) : v_load(from), keep);
        }
    }
    v += d;
    for (int j = 0; j < n_keys; j++, v += stride) {
        vec x[VALUE_VECS];
#pragma GCC unroll 8
        for (int i = 0; i < vecs; i++)
            x[i] = i == vecs - 1 ? v_load_some(v + i * W, last) : v_load(v + i * W);
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            vec p = v_set(weights[r * KV_BLOCK + j]);
#pragma GCC unroll 8
            for (int i = 0; i < vecs; i++) acc[r][i] = v_fma(p, x[i], acc[r][i]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < vecs; i++) {
            float *to = out + r * a->out_stride + i * W;
            if (i == vecs - 1)
                v_store_some(to, last, acc[r][i]);
            else
                v_store(to, acc[r][i]);
        }
}

static ALWAYS_INLINE void value_rows(int rows, const struct attend_run *run, int row, int n_keys,
                                     const float *v)
{
    for (int d = 0; d < run->a->head_dim; d += VALUE_VECS * W) {
        int vecs = (run->a->head_dim - d + W - 1) / W;
        switch (vecs < VALUE_VECS ? vecs : VALUE_VECS) {
        case 1:
            value_tile(rows, 1, run, row, n_keys, d, v);
            break;
        case 2:
            value_tile(rows, 2, run, row, n_keys, d, v);
            break;
        case 3:
            value_tile(rows, 3, run, row, n_keys, d, v);
            break;
        case 4:
            value_tile(rows, 4, run, row, n_keys, d, v);
            break;
        case 5:
            value_tile(rows, 5, run, row, n_keys, d, v);
            break;
        default:
            value_tile(rows, VALUE_VECS, run, row, n_keys, d, v);
            break;
        }
    }
}

/* Keys of the block that starts at `first` which the row sees. */
static int keys_seen(const struct attend_args *a, int row, int64_t first)
{
    int64_t n = attend_visible(a, row) - first;
    return n < 0 ? 0 : n > KV_BLOCK ? KV_BLOCK : (int)n;
}

static void fold_block(struct attend_run *run, int64_t block)
{
    const struct attend_args *a = run->a;
    const int64_t first = block * KV_BLOCK;
    const float *v = a->kv.v[block];
    int begin = 0;
    while (keys_seen(a, begin, first) == 0) begin++;
    transpose_keys(run->keys, a->kv.k[block], v, a->kv.stride, a->head_dim);
    score_rows(run, begin, a->n_q);
    for (int row = begin; row < a->n_q; row++) weigh_row(run, row, keys_seen(a, row, first));
    for (int row = begin; row < a->n_q;) {
        int n_keys =
            keys_seen(a, row, first); /* only a full count is shared with the rows behind */
        if (row + VALUE_ROWS <= a->n_q && n_keys == keys_seen(a, row + VALUE_ROWS - 1, first)) {
            value_rows(VALUE_ROWS, run, row, n_keys, v);
            row += VALUE_ROWS;
        } else {
            value_rows(1, run, row, n_keys, v);
            row++;
        }
    }
}

static void attend(const struct attend_args *a)
{
    struct attend_run run = {.a = a, .keys = a->scratch};
    run.scores = a->scratch + (size_t)a->head_dim * KV_BLOCK;
    for (int row = 0; row < a->n_q; row++) {
        run.max[row] = -INFINITY;
        run.sum[row] = 0;
        for (int d = 0; d < a->head_dim; d++) a->out[row * a->out_stride + d] = 0;
    }
    int64_t n_keys = attend_visible(a, a->n_q - 1);
    for (int64_t block = 0; block * KV_BLOCK < n_keys; block++) fold_block(&run, block);
    for (int row = 0; row < a->n_q; row++)
        for (int d = 0; d < a->head_dim; d++) a->out[row * a->out_stride + d] /= run.sum[row];
}

#endif
