/* SPDX-License-Identifier: MIT
 * Attention over all threads: an item is a tile of rows of one head. Rows that are alone, as in
 * decoding, make few items; with long keys these are cut into spans as well, whose states are
 * merged afterwards with the bits of one call. */
#include <assert.h>
#include <math.h>

#include "base/arena.h"
#include "model/ops.h"

enum { ITEMS_PER_THREAD = 4 }; /* with fewer, rows that are alone are cut into spans */

struct attend_run {
    const struct attention *parts;
    int n_parts;
    ops_enter_fn enter; // of steps
    void *enter_arg;
    int item_heads; // of steps: kv heads of one part in an item, the last with fewer
};

size_t ops_attend_bytes(int head_dim, int max_blocks)
{
    return arena_size(attend_scratch_floats(head_dim) * sizeof(float)) +
           2 * (size_t)max_blocks * sizeof(void *);
}

static int64_t keys_of(const struct attention *a)
{
    return a->causal ? a->first_pos + a->n_rows : a->n_keys;
}

static int64_t tiles_of(const struct attention *a)
{
    return (a->n_rows + ATTEND_MAX_Q - 1) / ATTEND_MAX_Q;
}

static int kv_head_of(const struct attention *a, int head)
{
    return head / (a->n_heads / a->n_kv_heads);
}

static const char *head_at(const struct attention *a, int64_t block, int kv_head)
{
    return a->blocks[block] + a->kv_offset + (size_t)kv_head * a->head_step;
}

/* Arguments for up to ATTEND_MAX_Q rows of one head; lists its blocks in the thread's scratch. */
static struct attend_args tile_args(const struct ops *o, const struct attention *a, int head,
                                    int row, int thread)
{
    int left = a->n_rows - row, n_q = left < ATTEND_MAX_Q ? left : ATTEND_MAX_Q;
    int64_t n_keys = a->causal ? a->first_pos + row + n_q : a->n_keys;
    int64_t n_blocks = (n_keys + KV_BLOCK - 1) / KV_BLOCK;
    assert(n_blocks <= o->max_blocks);
    char *scratch = o->scratch + (size_t)thread * o->scratch_bytes;
    const void **k =
        (const void **)(scratch + arena_size(attend_scratch_floats(a->head_dim) * sizeof(float)));
    const void **v = k + o->max_blocks;
    size_t packed = kv_packed_bytes(a->kv_type, a->head_dim);
    for (int64_t i = 0; i < n_blocks; i++) {
        const char *keys = head_at(a, i, kv_head_of(a, head));
        k[i] = keys;
        v[i] = keys + packed;
    }
    return (struct attend_args){
        .out = a->out + row * a->out_stride + (int64_t)head * a->head_dim,
        .out_stride = a->out_stride,
        .q = a->q + row * a->q_stride + (int64_t)head * a->head_dim,
        .q_stride = a->q_stride,
        .n_q = n_q,
        .first_pos = a->first_pos + row,
        .n_keys = a->n_keys,
        .causal = a->causal,
        .head_dim = a->head_dim,
        .scale = 1.0f / sqrtf((float)a->head_dim),
        .kv = {.type = a->kv_type, .k = k, .v = v},
        .scratch = (float *)scratch,
    };
}

/* coming: the head whose row, if it is alone, this thread attends to next, likely. */
static void attend_tile(const struct ops *o, const struct attention *a, int head, int row,
                        int coming, int thread)
{
    struct attend_args args = tile_args(o, a, head, row, thread);
    if (a->n_rows == 1 && coming < a->n_heads) {
        args.next_k = head_at(a, 0, kv_head_of(a, coming));
        args.next_v = (const char *)args.next_k + kv_packed_bytes(a->kv_type, a->head_dim);
    }
    o->k->attend(&args);
}

static void attend_item(struct ops *o, void *arg, int64_t item, int thread)
{
    const struct attend_run *r = arg;
    const struct attention *a = r->parts;
    for (; item >= a->n_heads * tiles_of(a); a++) item -= a->n_heads * tiles_of(a);
    int head = (int)(item / tiles_of(a)), row = (int)(item % tiles_of(a)) * ATTEND_MAX_Q;
    attend_tile(o, a, head, row, head + ops_threads(o), thread);
}

/* -- Rows alone, by spans ---------------------------------------------------------------------- */

static int64_t spans_of(const struct attention *a)
{
    return (keys_of(a) + ATTEND_SPAN - 1) / ATTEND_SPAN;
}

size_t ops_spans_floats(int n_threads, int head_dim, int max_blocks)
{
    size_t spans = (size_t)max_blocks / (ATTEND_SPAN / KV_BLOCK) + 1;
    return (size_t)(ITEMS_PER_THREAD * n_threads) * spans * attend_span_floats(head_dim);
}

static void span_item(struct ops *o, void *arg, int64_t item, int thread)
{
    const struct attend_run *r = arg;
    const struct attention *a = r->parts;
    float *state = o->spans + (size_t)item * attend_span_floats(a->head_dim);
    for (; item >= a->n_heads * spans_of(a); a++) item -= a->n_heads * spans_of(a);
    struct attend_args args = tile_args(o, a, (int)(item / spans_of(a)), 0, thread);
    args.span = state;
    args.span_at = item % spans_of(a);
    o->k->attend(&args);
}

static void merge_spans(struct ops *o, const struct attend_run *r)
{
    float *states = o->spans;
    for (const struct attention *a = r->parts; a < r->parts + r->n_parts; a++)
        for (int h = 0; h < a->n_heads; h++) {
            o->k->attend_merge(a->out + (int64_t)h * a->head_dim, states, (int)spans_of(a),
                               a->head_dim);
            states += (size_t)spans_of(a) * attend_span_floats(a->head_dim);
        }
}

/* -- Public ------------------------------------------------------------------------------------ */

static int64_t work_of(const struct attention *a)
{
    return 2 * keys_of(a) * a->n_rows * a->n_heads * a->head_dim;
}

/* What there is to do. */
struct attend_size {
    int64_t n_items, n_spans, work;
    bool by_spans;
};

static struct attend_size size_of(const struct ops *o, const struct attend_run *r)
{
    struct attend_size s = {0};
    bool alone = true;
    for (const struct attention *a = r->parts; a < r->parts + r->n_parts; a++) {
        s.n_items += a->n_heads * tiles_of(a);
        s.n_spans += a->n_heads * spans_of(a);
        s.work += work_of(a);
        alone = alone && a->n_rows == 1;
    }
    s.by_spans =
        alone && s.n_spans > s.n_items && s.n_items <= ITEMS_PER_THREAD * (int64_t)ops_threads(o);
    return s;
}

static void attend(struct ops *o, struct attend_run *r, const struct attend_size *s)
{
    o->stage = STAGE_ATTENTION;
    ops_run(o, s->by_spans ? s->n_spans : s->n_items, s->work,
            s->by_spans ? span_item : attend_item, r);
    if (s->by_spans && !o->stopped) merge_spans(o, r);
}

void ops_attend(struct ops *o, const struct attention *parts, int n_parts)
{
    struct attend_run r = {.parts = parts, .n_parts = n_parts};
    struct attend_size s = size_of(o, &r);
    attend(o, &r, &s);
}

/* -- Steps ------------------------------------------------------------------------------------- */

static int items_of_step(const struct attend_run *r)
{
    return (r->parts->n_kv_heads + r->item_heads - 1) / r->item_heads;
}

/* Makes the heads of an item ready, one by one, and attends to each if `attends`. A head's block is
 * asked for while the head before it is attended to. */
static void step_heads(struct ops *o, const struct attend_run *r, int64_t item, bool attends,
                       int thread)
{
    const int part = (int)(item / items_of_step(r)), number = (int)(item % items_of_step(r));
    const struct attention *a = &r->parts[part];
    const int group = a->n_heads / a->n_kv_heads, begin = number * r->item_heads;
    const int end = begin + r->item_heads < a->n_kv_heads ? begin + r->item_heads : a->n_kv_heads;
    for (int kv_head = begin; kv_head < end; kv_head++) {
        const int next = kv_head + (kv_head + 1 < end ? 1 : ops_threads(o));
        r->enter(o, r->enter_arg, part, kv_head);
        for (int head = kv_head * group; attends && head < (kv_head + 1) * group; head++)
            attend_tile(o, a, head, 0, next * group, thread);
    }
}

static void step_item(struct ops *o, void *arg, int64_t item, int thread)
{
    step_heads(o, arg, item, true, thread);
}

static void enter_item(struct ops *o, void *arg, int64_t item, int thread)
{
    step_heads(o, arg, item, false, thread);
}

/* Few keys: each thread takes two runs of heads, whose blocks it can then ask for in time. Many: a
 * head at a time, so that all threads end together. */
static int step_item_heads(const struct ops *o, const struct attend_run *r)
{
    enum { FEW_KEYS = 4 * KV_BLOCK, RUNS = 2 };
    const int parts = RUNS * ops_threads(o);
    for (int i = 0; i < r->n_parts; i++)
        if (keys_of(&r->parts[i]) > FEW_KEYS) return 1;
    return (r->parts->n_kv_heads + parts - 1) / parts;
}

void ops_attend_steps(struct ops *o, const struct attention *parts, int n_parts, ops_enter_fn enter,
                      void *arg)
{
    enum { ENTER_WORK = 1 << 12 }; /* of a head, most of it waiting for memory: one microsecond */
    struct attend_run r = {.parts = parts, .n_parts = n_parts, .enter = enter, .enter_arg = arg};
    struct attend_size s = size_of(o, &r);
    r.item_heads = step_item_heads(o, &r);
    int64_t n_items = (int64_t)n_parts * items_of_step(&r);
    int64_t work = (int64_t)n_parts * parts->n_kv_heads * ENTER_WORK;
    o->stage = STAGE_ATTENTION;
    if (!s.by_spans) {
        ops_run(o, n_items, work + s.work, step_item, &r);
        return;
    }
    ops_run(o, n_items, work, enter_item, &r);
    attend(o, &r, &s);
}

void ops_store(const struct ops *o, const struct attention *a, int kv_head, int64_t pos, int n,
               const float *k, const float *v, int64_t stride)
{
    const struct kernels *with = o->k;
    for (int i = 0, done; i < n; i += done, pos += done) {
        const int at = (int)(pos % KV_BLOCK);
        const float *key = k ? k + i * stride : NULL, *value = v ? v + i * stride : NULL;
        char *keys = a->blocks[pos / KV_BLOCK] + a->kv_offset + (size_t)kv_head * a->head_step;
        char *values = keys + kv_packed_bytes(a->kv_type, a->head_dim);
        done = a->kv_type == KV_BF16 && at % KV_RUN == 0 && n - i >= KV_RUN ? KV_RUN : 1;
        if (done == KV_RUN)
            with->kv_put_run(keys, values, at, key, value, stride, a->head_dim);
        else
            with->kv_put(keys, values, a->kv_type, at, key, value, a->head_dim);
    }
}
