/* SPDX-License-Identifier: MIT
 * Softmax attention of one head, block by block: with the running maximum m and sum l, what was
 * accumulated under an older maximum is scaled by exp(old m - new m). The state of a span is merged
 * into that of the spans before it in the same way. */
#include "ref.h"

#include <math.h>
#include <string.h>

/* One state: see attend_room. */
struct state {
    float *values, *max, *sum;
};

static struct state state_at(float *states, int row, int head_dim)
{
    float *s = states + (size_t)row * attend_span_floats(head_dim);
    return (struct state){s, s + kv_padded(head_dim), s + kv_padded(head_dim) + 1};
}

/* -- one block ------------------------------------------------------------------------------ */

/* Scores of one row against a block: [KV_BLOCK], of which the first n_keys mean something. */
static void score_row(const struct attend_args *a, const float *q, const float *keys, float *scores)
{
    for (int j = 0; j < KV_BLOCK; j++) scores[j] = 0;
    for (int d = 0; d < a->head_dim; d++)
        for (int j = 0; j < KV_BLOCK; j++) scores[j] += q[d] * keys[d * KV_BLOCK + j];
    for (int j = 0; j < KV_BLOCK; j++) scores[j] *= a->scale;
}

/* Folds keys 0 … n_keys-1 of one widened block into a row's state. */
static void fold_block(const struct attend_args *a, const float *q, const float *keys,
                       const float *values, int n_keys, struct state s)
{
    float p[KV_BLOCK], max = *s.max, sum = 0;
    score_row(a, q, keys, p);
    for (int j = 0; j < n_keys; j++)
        if (p[j] > max) max = p[j];
    for (int j = 0; j < n_keys; j++) sum += p[j] = expf(p[j] - max);
    float keep = expf(*s.max - max);
    *s.max = max;
    *s.sum = *s.sum * keep + sum;
    int padded = kv_padded(a->head_dim);
    for (int d = 0; d < a->head_dim; d++) s.values[d] *= keep;
    for (int j = 0; j < n_keys; j++)
        for (int d = 0; d < a->head_dim; d++) s.values[d] += p[j] * values[j * padded + d];
}

/* -- spans ------------------------------------------------------------------------------------ */

static void begin_row(struct state s, int head_dim)
{
    memset(s.values, 0, attend_span_floats(head_dim) * sizeof *s.values);
    *s.max = -INFINITY;
}

static void fold_span(const struct attend_args *a, const struct attend_room *room, int64_t span,
                      float *states)
{
    int64_t end = attend_visible(a, a->n_q - 1), first = span * ATTEND_SPAN;
    if (end > first + ATTEND_SPAN) end = first + ATTEND_SPAN;
    for (int row = 0; row < a->n_q; row++)
        begin_row(state_at(states, row, a->head_dim), a->head_dim);
    for (; first < end; first += KV_BLOCK) {
        int64_t block = first / KV_BLOCK;
        ref_kv_widen(room->keys, room->values, a->kv.k[block], a->kv.v[block], a->kv.type,
                     a->head_dim);
        for (int row = 0; row < a->n_q; row++) {
            int n_keys = attend_seen(a, row, first, KV_BLOCK);
            if (n_keys > 0)
                fold_block(a, a->q + row * a->q_stride, room->keys, room->values, n_keys,
                           state_at(states, row, a->head_dim));
        }
    }
}

static void merge(struct state total, struct state s, int head_dim)
{
    float max = *s.max > *total.max ? *s.max : *total.max;
    float keep = expf(*total.max - max), add = expf(*s.max - max);
    for (int d = 0; d < head_dim; d++) total.values[d] = total.values[d] * keep + s.values[d] * add;
    *total.sum = *total.sum * keep + *s.sum * add;
    *total.max = max;
}

static void finish_row(float *out, struct state total, int head_dim)
{
    for (int d = 0; d < head_dim; d++) out[d] = total.values[d] / *total.sum;
}

void ref_attend(const struct attend_args *a)
{
    struct attend_room room = attend_room(a->scratch, a->head_dim);
    if (a->span) {
        fold_span(a, &room, a->span_at, a->span);
        return;
    }
    int64_t n_keys = attend_visible(a, a->n_q - 1);
    fold_span(a, &room, 0, room.totals);
    for (int64_t span = 1; span * ATTEND_SPAN < n_keys; span++) {
        fold_span(a, &room, span, room.states);
        for (int row = 0; row < a->n_q; row++)
            if (attend_seen(a, row, span * ATTEND_SPAN, 1))
                merge(state_at(room.totals, row, a->head_dim),
                      state_at(room.states, row, a->head_dim), a->head_dim);
    }
    for (int row = 0; row < a->n_q; row++)
        finish_row(a->out + row * a->out_stride, state_at(room.totals, row, a->head_dim),
                   a->head_dim);
}

void ref_attend_merge(float *out, float *states, int n_spans, int head_dim)
{
    struct state total = state_at(states, 0, head_dim);
    for (int i = 1; i < n_spans; i++) merge(total, state_at(states, i, head_dim), head_dim);
    finish_row(out, total, head_dim);
}
