/* SPDX-License-Identifier: MIT
 * Attention in terms of a level's vectors; included once by each level's attend file, which defines
 *   SCORE_ROWS, SCORE_VECS  query rows and vectors of keys whose scores are computed together
 *   VALUE_ROWS, VALUE_VECS  query rows and vectors of the head whose values are
 *   PAIRS, v_dot, v_pairs   whether the level multiplies bf16 pairs; acc + both products of each
 *                           pair; floats to pairs. Without: KV_BF16 is widened.
 *   TILES, fold_tiles       if the level folds blocks of KV_BF16 in its own way
 *
 * With pairs, KV_BF16 is to the loops below what KV_F32 is, with half as many dimensions of keys
 * and half as many positions of values: a pair is 4 bytes.
 *
 * Each score is one chain of multiply-adds in the order of the head, each value one in the order of
 * the keys, whatever rows stand beside it: so one row read straight from the cache has the bits of
 * many rows over a widened block. */
#ifndef KERNELS_ATTEND_BODY_H
#define KERNELS_ATTEND_BODY_H

#ifndef LEVEL_VECTORS
#error "attend_body.h needs the vectors of a level: include its header first"
#endif
#if !defined SCORE_ROWS || !defined SCORE_VECS || !defined VALUE_ROWS || !defined VALUE_VECS ||    \
    !defined PAIRS
#error "attend_body.h needs SCORE_ROWS, SCORE_VECS, VALUE_ROWS, VALUE_VECS and PAIRS"
#endif

#include <math.h>
#include <stdbool.h>
#include <string.h>

#include "ref/ref.h"
#include "vexp.h"

enum {
    LONE_VECS = 4, // vectors of keys of a row that is computed alone
    FEW_ROWS = 4   // fewer than these read the cache themselves; more share a widened block
};

/* The state of one call. */
struct attend_run {
    const struct attend_args *a;
    struct attend_room room;
    float *states; // room.states or room.totals
    int padded, state_floats;
    const float *q; // [n_q][q_stride]
    int64_t q_stride;
    float keep[ATTEND_MAX_Q];
};

/* One block: what is stored. A block ahead is what the memory needs to keep up. */
struct attend_block {
    enum kv_type type;
    const char *k, *v;
    const char *next_k, *next_v; // of the block behind it, or NULL
};

/* -- reading the cache ------------------------------------------------------------------------- */

static ALWAYS_INLINE int64_t kv_item(enum kv_type type)
{
    return type == KV_F32 || type == KV_BF16 ? 4 : type == KV_F16 ? 2 : 1;
}

/* Steps over n dimensions or positions. */
static ALWAYS_INLINE int kv_steps(enum kv_type type, int n)
{
    return type == KV_BF16 ? (n + 1) / 2 : n;
}

static ALWAYS_INLINE vec kv_fma(enum kv_type type, vec a, vec b, vec acc)
{
    return type == KV_BF16 ? v_dot(a, b, acc) : v_fma(a, b, acc);
}

/* W stored numbers or pairs; KV_Q8 without their scale. */
static ALWAYS_INLINE vec kv_load(enum kv_type type, const char *p)
{
    if (type == KV_F32 || type == KV_BF16) return v_load((const float *)(const void *)p);
    return type == KV_F16 ? v_load_f16(p) : v_load_i8(p);
}

/* Scale of one position and group of KV_Q8 values. */
static ALWAYS_INLINE vec kv_scale(const char *scales, int i)
{
    uint16_t half;
    memcpy(&half, scales + 2 * i, sizeof half);
    uint32_t bits = (uint32_t)half << 16;
    float scale;
    memcpy(&scale, &bits, sizeof scale);
    return v_set(scale);
}

static ALWAYS_INLINE void prefetch(const char *p, int64_t n_bytes)
{
    for (int64_t i = 0; i < n_bytes; i += 64) __builtin_prefetch(p + i);
}

/* A block's numbers as f32, of the values the first n_keys positions; asks for the next block. */
static ALWAYS_INLINE void widen_block(enum kv_type type, const struct attend_run *run,
                                      const struct attend_block *b, int n_keys)
{
    const int head_dim = run->a->head_dim, padded = run->padded, groups = kv_groups(head_dim);
    const int64_t item = kv_item(type);
    const char *k_scales = b->k + kv_scales_at(head_dim), *v_scales = b->v + kv_scales_at(head_dim);
    for (int d = 0; d < head_dim; d++) {
        if (b->next_k) prefetch(b->next_k + d * KV_BLOCK * item, KV_BLOCK * item);
        for (int j = 0; j < KV_BLOCK; j += W) {
            vec x = kv_load(type, b->k + (d * KV_BLOCK + j) * item);
            if (type == KV_Q8)
                x = v_mul(x, v_load_bf16(k_scales + 2 * (d / KV_GROUP * KV_BLOCK + j)));
            v_store(run->room.keys + d * KV_BLOCK + j, x);
        }
    }
    for (int j = 0; j < n_keys; j++) {
        if (b->next_v) prefetch(b->next_v + j * padded * item, padded * item);
        for (int d = 0; d < padded; d += W) {
            vec x = kv_load(type, b->v + (j * padded + d) * item);
            if (type == KV_Q8) x = v_mul(x, kv_scale(v_scales, j * groups + d / KV_GROUP));
            v_store(run->room.values + j * padded + d, x);
        }
    }
}

/* -- scores ----------------------------------------------------------------------------------- */

/* Scores of `rows` query rows against `vecs` * W keys (constants, like the type), read from k. */
static ALWAYS_INLINE void score_tile(enum kv_type type, int rows, int vecs,
                                     const struct attend_run *run, int row, const char *k,
                                     int first_key, const char *ahead)
{
    const int n_steps = kv_steps(type, run->a->head_dim);
    const int64_t item = kv_item(type), step = KV_BLOCK * item;
    const float *q = run->q + row * run->q_stride;
    const char *scales = k + kv_scales_at(run->a->head_dim) + 2 * first_key;
    k += first_key * item;
    vec acc[SCORE_ROWS][LONE_VECS], s[LONE_VECS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < vecs; i++) acc[r][i] = v_set(0);
    for (int first = 0; first < n_steps; first += KV_GROUP) {
        int end = n_steps - first < KV_GROUP ? n_steps : first + KV_GROUP;
        if (type == KV_Q8)
#pragma GCC unroll 4
            for (int i = 0; i < vecs; i++)
                s[i] = v_load_bf16(scales + 2 * (first / KV_GROUP * KV_BLOCK + i * W));
        for (int d = first; d < end; d++, k += step) {
            vec x[LONE_VECS];
            if (ahead) prefetch(ahead + d * step, step);
#pragma GCC unroll 4
            for (int i = 0; i < vecs; i++) {
                x[i] = kv_load(type, k + i * W * item);
                if (type == KV_Q8) x[i] = v_mul(x[i], s[i]);
            }
#pragma GCC unroll 8
            for (int r = 0; r < rows; r++) {
                vec y = v_set(q[r * run->q_stride + d]);
#pragma GCC unroll 4
                for (int i = 0; i < vecs; i++) acc[r][i] = kv_fma(type, y, x[i], acc[r][i]);
            }
        }
    }
    vec scale = v_set(run->a->scale);
    float *scores = run->room.scores + row * KV_BLOCK + first_key;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 4
        for (int i = 0; i < vecs; i++)
            v_store(scores + r * KV_BLOCK + i * W, v_mul(acc[r][i], scale));
}

/* Scores of rows [row, n_q) against the first n_keys keys, from f32 or pairs. */
static ALWAYS_INLINE void score_rows(enum kv_type type, const struct attend_run *run, int row,
                                     const char *k, int n_keys)
{
    for (int key = 0; key < n_keys; key += SCORE_VECS * W) {
        int r = row, n_q = run->a->n_q;
        for (; r + SCORE_ROWS <= n_q; r += SCORE_ROWS)
            score_tile(type, SCORE_ROWS, SCORE_VECS, run, r, k, key, NULL);
        for (; r + 2 <= n_q; r += 2) score_tile(type, 2, SCORE_VECS, run, r, k, key, NULL);
        if (r < n_q) score_tile(type, 1, SCORE_VECS, run, r, k, key, NULL);
    }
}

/* -- weights ----------------------------------------------------------------------------------- */

static ALWAYS_INLINE float *state_of(const struct attend_run *run, float *states, int row)
{
    return states + row * run->state_floats;
}

/* a where b is NaN. fmaxf would be a call, which empties the registers. */
static ALWAYS_INLINE float larger(float a, float b) { return b > a ? b : a; }

static ALWAYS_INLINE float exp_one(float x) { return v_lowest_lane(v_exp(v_set(x))); }

/* Scores of one row -> exp(score - maximum), with the running maximum and sums by lane. The last of
 * n_vecs (a constant) vectors may end in scores of keys that the row does not see: whatever lay in
 * the block, replaced before use. */
static ALWAYS_INLINE void weigh_vecs(int n_vecs, struct attend_run *run, int row, int n_keys)
{
    float *scores = run->room.scores + row * KV_BLOCK;
    float *sums = run->room.sums + row * ATTEND_LANES;
    float *state_max = state_of(run, run->states, row) + run->padded;
    vec s[KV_BLOCK / W], high, sum = v_load(sums);
#pragma GCC unroll 8
    for (int i = 0; i < n_vecs; i++) {
        s[i] = v_load(scores + i * W);
        if (i == n_vecs - 1) s[i] = v_choose(v_first(n_keys - i * W), s[i], v_set(-INFINITY));
        high = i == 0 ? s[i] : v_max(high, s[i]);
    }
    float old = *state_max, max = larger(old, v_highest(high));
    run->keep[row] = 1;
    if (max != old) { /* else exp(0) = 1 */
        run->keep[row] = exp_one(old - max);
        sum = v_mul(sum, v_set(run->keep[row]));
    }
    const bool short_exp = PAIRS && run->a->kv.type == KV_BF16;
    const vec log2_e = v_set(1.44269504f), shift = v_mul(v_set(-max), log2_e);
#pragma GCC unroll 8
    for (int i = 0; i < n_vecs; i++) {
        s[i] =
            short_exp ? v_exp2_short(v_fma(s[i], log2_e, shift)) : v_exp(v_sub(s[i], v_set(max)));
        sum = v_add(sum, s[i]);
        if (!short_exp) v_store(scores + i * W, s[i]);
    }
    v_store(sums, sum);
    *state_max = max;
    if (!short_exp) return;
#pragma GCC unroll 4
    for (int i = 0; i < n_vecs; i += 2)
        v_store(scores + i / 2 * W, v_pairs(s[i], i + 1 < n_vecs ? s[i + 1] : v_set(0)));
}

static void weigh_row(struct attend_run *run, int row, int n_keys)
{
    switch ((n_keys + W - 1) / W) {
    case KV_BLOCK / W:
        weigh_vecs(KV_BLOCK / W, run, row, n_keys);
        break;
    case 1:
        weigh_vecs(1, run, row, n_keys);
        break;
    case 2:
        weigh_vecs(2, run, row, n_keys);
        break;
    case 3:
        weigh_vecs(3, run, row, n_keys);
        break;
    default: /* shorter vectors only */
        for (int i = n_keys; i < KV_BLOCK; i++) run->room.scores[row * KV_BLOCK + i] = -INFINITY;
        weigh_vecs(KV_BLOCK / W, run, row, KV_BLOCK);
        break;
    }
}

/* -- values ------------------------------------------------------------------------------------ */

/* state = state * keep + weights . values of keys [begin, end), for `rows` rows and `vecs` vectors
 * (constants, like the type) from dimension d on. */
static ALWAYS_INLINE void value_tile(enum kv_type type, int rows, int vecs,
                                     const struct attend_run *run, int row, int begin, int end,
                                     int d, const char *v, const char *ahead)
{
    const int groups = kv_groups(run->a->head_dim);
    const int64_t item = kv_item(type), step = run->padded * item;
    const float *weights = run->room.scores + row * KV_BLOCK;
    const char *scales = v + kv_scales_at(run->a->head_dim);
    float *state = state_of(run, run->states, row) + d;
    vec acc[VALUE_ROWS][VALUE_VECS];
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++) {
        vec keep = v_set(run->keep[row + r]);
#pragma GCC unroll 8
        for (int i = 0; i < vecs; i++)
            acc[r][i] = v_mul(v_load(state + r * run->state_floats + i * W), keep);
    }
    const int odd = type == KV_BF16 && end % 2; // the last pair's second half may hold anything
    begin = type == KV_BF16 ? begin / 2 : begin;
    end = kv_steps(type, end);
    v += begin * step + d * item;
    for (int j = begin; j < end; j++, v += step) {
        vec x[VALUE_VECS];
        if (ahead) prefetch(ahead + j * step, step);
#pragma GCC unroll 8
        for (int i = 0; i < vecs; i++) {
            x[i] = kv_load(type, v + i * W * item);
            if (type == KV_Q8)
                x[i] = v_mul(x[i], kv_scale(scales, j * groups + (d + i * W) / KV_GROUP));
            if (odd && j == end - 1) x[i] = v_first_halves(x[i]);
        }
#pragma GCC unroll 4
        for (int r = 0; r < rows; r++) {
            vec p = v_set(weights[r * KV_BLOCK + j]);
#pragma GCC unroll 8
            for (int i = 0; i < vecs; i++) acc[r][i] = kv_fma(type, p, x[i], acc[r][i]);
        }
    }
#pragma GCC unroll 4
    for (int r = 0; r < rows; r++)
#pragma GCC unroll 8
        for (int i = 0; i < vecs; i++) v_store(state + r * run->state_floats + i * W, acc[r][i]);
}

static ALWAYS_INLINE void value_rows(enum kv_type type, int rows, const struct attend_run *run,
                                     int row, int begin, int end, const char *v, const char *ahead)
{
    int d = 0;
    for (; d + VALUE_VECS * W <= run->padded; d += VALUE_VECS * W, ahead = NULL)
        value_tile(type, rows, VALUE_VECS, run, row, begin, end, d, v, ahead);
    if (d + 4 * W <= run->padded) {
        value_tile(type, rows, 4, run, row, begin, end, d, v, ahead);
        d += 4 * W, ahead = NULL;
    }
    for (; d < run->padded; d += W, ahead = NULL)
        value_tile(type, rows, 1, run, row, begin, end, d, v, ahead);
}

/* VALUE_ROWS rows: the keys that all of them see together, what is left of each alone. */
static ALWAYS_INLINE void values_from(enum kv_type type, struct attend_run *run, int row,
                                      int64_t first, const char *v)
{
    const struct attend_args *a = run->a;
    int all = attend_seen(a, row, first, KV_BLOCK);
    if (type == KV_BF16 && all < attend_seen(a, row + VALUE_ROWS - 1, first, KV_BLOCK))
        all -= all % 2; // whole pairs
    value_rows(type, VALUE_ROWS, run, row, 0, all, v, NULL);
    for (int i = 0; i < VALUE_ROWS; i++) {
        int n_keys = attend_seen(a, row + i, first, KV_BLOCK);
        run->keep[row + i] = 1; // done with
        if (n_keys > all) value_rows(type, 1, run, row + i, all, n_keys, v, NULL);
    }
}

/* -- blocks ------------------------------------------------------------------------------------ */

/* A row alone, straight from the cache. */
static ALWAYS_INLINE void fold_lone(enum kv_type type, struct attend_run *run,
                                    const struct attend_block *b, int row, int n_keys)
{
    const char *ahead = b->next_k;
    for (int key = 0; key < n_keys; key += LONE_VECS * W, ahead = NULL)
        score_tile(type, 1, LONE_VECS, run, row, b->k, key, ahead);
    weigh_row(run, row, n_keys);
    value_rows(type, 1, run, row, 0, n_keys, b->v, b->next_v);
}

static void fold_few(struct attend_run *run, const struct attend_block *b, int64_t first)
{
    for (int row = 0; row < run->a->n_q; row++) {
        int n_keys = attend_seen(run->a, row, first, KV_BLOCK);
        if (n_keys == 0) continue;
        switch (b->type) {
        case KV_F16:
            fold_lone(KV_F16, run, b, row, n_keys);
            break;
        case KV_Q8:
            fold_lone(KV_Q8, run, b, row, n_keys);
            break;
        case KV_BF16:
            fold_lone(PAIRS ? KV_BF16 : KV_F32, run, b, row, n_keys);
            break;
        default:
            fold_lone(KV_F32, run, b, row, n_keys);
            break;
        }
    }
}

static ALWAYS_INLINE void fold_rows(enum kv_type type, struct attend_run *run, int64_t first,
                                    const char *k, const char *v)
{
    const struct attend_args *a = run->a;
    int most = attend_seen(a, a->n_q - 1, first, KV_BLOCK), row = 0;
    while (attend_seen(a, row, first, 1) == 0) row++;
    score_rows(type, run, row, k, most);
    for (int r = row; r < a->n_q; r++) weigh_row(run, r, attend_seen(a, r, first, KV_BLOCK));
    for (; row + VALUE_ROWS <= a->n_q; row += VALUE_ROWS) values_from(type, run, row, first, v);
    for (; row < a->n_q; row++)
        value_rows(type, 1, run, row, 0, attend_seen(a, row, first, KV_BLOCK), v, NULL);
}

static void fold_many(struct attend_run *run, const struct attend_block *b, int64_t first)
{
    int most = attend_seen(run->a, run->a->n_q - 1, first, KV_BLOCK);
    const char *keys = (const char *)run->room.keys, *values = (const char *)run->room.values;
    switch (b->type) {
    case KV_F16:
        widen_block(KV_F16, run, b, most);
        fold_rows(KV_F32, run, first, keys, values);
        break;
    case KV_Q8:
        widen_block(KV_Q8, run, b, most);
        fold_rows(KV_F32, run, first, keys, values);
        break;
    case KV_BF16:
        fold_rows(PAIRS ? KV_BF16 : KV_F32, run, first, b->k, b->v);
        break;
    default:
        fold_rows(KV_F32, run, first, b->k, b->v);
        break;
    }
}

#ifdef TILES
static void fold_tiles(struct attend_run *run, const struct attend_block *b, int64_t first);
#endif

static void fold_block(struct attend_run *run, const struct attend_block *b, int64_t first)
{
#ifdef TILES
    if (b->type == KV_BF16) {
        fold_tiles(run, b, first);
        return;
    }
#endif
    if (run->a->n_q < FEW_ROWS)
        fold_few(run, b, first);
    else
        fold_many(run, b, first);
}

/* -- spans ------------------------------------------------------------------------------------ */

static void begin_span(struct attend_run *run)
{
    const int n_q = run->a->n_q;
    memset(run->states, 0, (size_t)(n_q * run->state_floats) * sizeof(float));
    memset(run->room.sums, 0, (size_t)n_q * ATTEND_LANES * sizeof(float));
    for (int row = 0; row < n_q; row++) state_of(run, run->states, row)[run->padded] = -INFINITY;
}

/* Folds the blocks of a span into states. */
static void fold_span(struct attend_run *run, int64_t span, float *states)
{
    const struct attend_args *a = run->a;
    const int64_t visible = attend_visible(a, a->n_q - 1);
    int64_t first = span * ATTEND_SPAN, end = first + ATTEND_SPAN;
    if (end > visible) end = visible;
    run->states = states;
    begin_span(run);
    for (; first < end; first += KV_BLOCK) {
        int64_t i = first / KV_BLOCK;
        struct attend_block b = {.type = a->kv.type, .k = a->kv.k[i], .v = a->kv.v[i]};
        bool last = first + KV_BLOCK >= visible;
        b.next_k = last ? a->next_k : a->kv.k[i + 1];
        b.next_v = last ? a->next_v : a->kv.v[i + 1];
        if (!PAIRS && b.type == KV_BF16) {
            ref_kv_widen(run->room.keys, run->room.values, b.k, b.v, KV_BF16, a->head_dim);
            b.k = (const char *)run->room.keys;
            b.v = (const char *)run->room.values;
        }
        fold_block(run, &b, first);
    }
    for (int row = 0; row < a->n_q; row++)
        state_of(run, states, row)[run->padded + 1] =
            v_sum(v_load(run->room.sums + row * ATTEND_LANES));
}

static void merge_state(float *total, const float *state, int padded)
{
    float max = larger(total[padded], state[padded]);
    vec keep = v_set(exp_one(total[padded] - max)), add = v_set(exp_one(state[padded] - max));
    for (int d = 0; d < padded; d += W)
        v_store(total + d, v_fma(v_load(state + d), add, v_mul(v_load(total + d), keep)));
    vec sum = v_fma(v_set(state[padded + 1]), add, v_mul(v_set(total[padded + 1]), keep));
    float lanes[W];
    v_store(lanes, sum);
    total[padded] = max;
    total[padded + 1] = lanes[0];
}

static void finish_row(float *out, const float *total, int head_dim)
{
    const vec sum = v_set(total[kv_padded(head_dim) + 1]);
    for (int d = 0; d < head_dim; d += W)
        v_store_some(out + d, v_first(head_dim - d), v_div(v_load(total + d), sum));
}

/* Many query rows are read again for every block: side by side they stay in the nearest cache. */
static void gather_queries(struct attend_run *run)
{
    const struct attend_args *a = run->a;
    run->q = run->room.queries;
    run->q_stride = run->padded;
    for (int row = 0; row < a->n_q; row++) {
        float *q = run->room.queries + row * run->padded;
        memcpy(q, a->q + row * a->q_stride, (size_t)a->head_dim * sizeof *q);
        if (!PAIRS || a->kv.type != KV_BF16) continue;
        memset(q + a->head_dim, 0, (size_t)(run->padded - a->head_dim) * sizeof *q);
        for (int d = 0; d < run->padded; d += 2 * W) // behind padded: whatever follows, not used
            v_store(q + d / 2, v_pairs(v_load(q + d), v_load(q + d + W)));
    }
}

static void attend(const struct attend_args *a)
{
    struct attend_run run = {.a = a, .q = a->q, .q_stride = a->q_stride};
    run.room = attend_room(a->scratch, a->head_dim);
    run.padded = kv_padded(a->head_dim);
    run.state_floats = (int)attend_span_floats(a->head_dim);
    if (a->n_q >= FEW_ROWS || (PAIRS && a->kv.type == KV_BF16)) gather_queries(&run);
    if (a->span) {
        fold_span(&run, a->span_at, a->span);
        return;
    }
    int64_t n_keys = attend_visible(a, a->n_q - 1);
    fold_span(&run, 0, run.room.totals);
    for (int64_t span = 1; span * ATTEND_SPAN < n_keys; span++) {
        fold_span(&run, span, run.room.states);
        for (int row = 0; row < a->n_q; row++)
            if (attend_seen(a, row, span * ATTEND_SPAN, 1))
                merge_state(state_of(&run, run.room.totals, row),
                            state_of(&run, run.room.states, row), run.padded);
    }
    for (int row = 0; row < a->n_q; row++)
        finish_row(a->out + row * a->out_stride, state_of(&run, run.room.totals, row), a->head_dim);
}

static inline void attend_merge(float *out, float *states, int n_spans, int head_dim)
{
    const int padded = kv_padded(head_dim);
    const size_t step = attend_span_floats(head_dim);
    for (int i = 1; i < n_spans; i++) merge_state(states, states + (size_t)i * step, padded);
    finish_row(out, states, head_dim);
}

#endif
