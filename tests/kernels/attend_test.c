/* SPDX-License-Identifier: MIT
 * Keys and values of every type against what was stored, attention against double precision, and
 * that a row's bits depend on nothing but the row and the numbers stored for the keys it sees. */
#include "attend_test.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernels.h"
#include "kernels_data.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

enum { MAX_BLOCKS = 72, MAX_DIM = 200 };

static const char *const type_names[KV_TYPES] = {"f32", "f16", "q8", "bf16"};

/* -- what is stored ---------------------------------------------------------------------------- */

/* Number d of position `at` of packed keys or values. */
static double stored_kv(enum kv_type type, const void *block, int values, int at, int d,
                        int head_dim)
{
    size_t padded = (size_t)kv_padded(head_dim), groups = (size_t)kv_groups(head_dim);
    if (type == KV_BF16)
        return stored(block, WEIGHT_BF16,
                      values ? ((size_t)at / 2 * padded + (size_t)d) * 2 + (size_t)at % 2
                             : ((size_t)d / 2 * KV_BLOCK + (size_t)at) * 2 + (size_t)d % 2);
    size_t i = values ? (size_t)at * padded + (size_t)d : (size_t)d * KV_BLOCK + (size_t)at;
    if (type == KV_F32) return ((const float *)block)[i];
    if (type == KV_F16) return stored(block, WEIGHT_F16, i);
    size_t g = (size_t)d / KV_GROUP;
    const char *scales = (const char *)block + KV_BLOCK * padded;
    return ((const signed char *)block)[i] *
           stored(scales, WEIGHT_BF16,
                  values ? (size_t)at * groups + g : g * KV_BLOCK + (size_t)at);
}

/* How far x may be from what is stored for it; largest: of its group. */
static double put_error(enum kv_type type, double x, double largest)
{
    if (type == KV_F32) return 0;
    if (type == KV_BF16) return fabs(x) / 256 + 1e-40;
    if (type == KV_F16) return fabs(x) > 65504 ? fabs(x) - 65504 : fabs(x) / 2048 + 0x1p-25;
    return largest / 127 * (1 + 0x1p-7) * 0.5001 + 1e-30;
}

static void check_stored(enum kv_type type, const void *block, int values, int at, const float *x,
                         int head_dim)
{
    for (int d = 0; d < head_dim; d++) {
        double largest = 0;
        for (int i = d / KV_GROUP * KV_GROUP; i < head_dim && i / KV_GROUP == d / KV_GROUP; i++)
            largest = fmax(largest, fabs((double)x[i]));
        double got = stored_kv(type, block, values, at, d, head_dim);
        if (!(fabs(got - x[d]) <= put_error(type, x[d], largest)))
            fail_msg("%s %s, head %d, position %d [%d]: %.9g, stored as %.9g", type_names[type],
                     values ? "value" : "key", head_dim, at, d, x[d], got);
    }
}

/* Ordinary, tiny, huge and all-zero rows, and every scale in between. */
static void fill_row(float *x, int n, int kind)
{
    for (int i = 0; i < n; i++) {
        x[i] = random_float() * ldexpf(1, kind % 41 - 24);
        if (kind == 7) x[i] = 0;
        if (kind == 9) x[i] = i % 2 ? 1e-38f : -1e-41f;
        if (kind == 11) x[i] = i % 3 ? 3e38f : -70000;
    }
}

void attend_test_put(void **state)
{
    const struct kernels *k = *state, *plain = kernels_for("portable");
    static const int heads[] = {1, 2, 8, 16, 31, 33, 64, 96, 100, 130};
    for (int type = 0; type < KV_TYPES; type++)
        for (int h = 0; h < COUNT(heads); h++) {
            int n = heads[h];
            size_t bytes = kv_packed_bytes((enum kv_type)type, n);
            char *keys = guarded(bytes), *values = guarded(bytes);
            char *keys2 = guarded(bytes), *values2 = guarded(bytes);
            memset(keys, 0x55, bytes), memset(keys2, 0x55, bytes);
            memset(values, 0x55, bytes), memset(values2, 0x55, bytes);
            for (int at = KV_BLOCK - 1; at >= 0; at--) {
                float *key = guarded(sizeof(float) * (size_t)n);
                float *value = guarded(sizeof(float) * (size_t)n);
                fill_row(key, n, at), fill_row(value, n, at + 1);
                const int apart = at % 3 == 0;
                k->kv_put(keys, values, (enum kv_type)type, at, key, apart ? NULL : value, n);
                if (apart) k->kv_put(keys, values, (enum kv_type)type, at, NULL, value, n);
                plain->kv_put(keys2, values2, (enum kv_type)type, at, key, value, n);
                check_stored((enum kv_type)type, keys, 0, at, key, n);
                check_stored((enum kv_type)type, values, 1, at, value, n);
                for (int d = n; d < kv_padded(n); d++)
                    assert_true(stored_kv((enum kv_type)type, values, 1, at, d, n) == 0 ||
                                type == KV_Q8);
                guarded_free(key), guarded_free(value);
            }
            assert_memory_equal(keys, keys2, bytes); /* also: nothing else was written */
            assert_memory_equal(values, values2, bytes);
            guarded_free(keys), guarded_free(values), guarded_free(keys2), guarded_free(values2);
        }
}

/* A run has the bits of its positions put one by one, and touches nothing beside them. */
void attend_test_put_run(void **state)
{
    enum { BEYOND = 5 };
    const struct kernels *k = *state, *plain = kernels_for("portable");
    static const int heads[] = {1, 2, 8, 16, 31, 33, 64, 96, 100, 130};
    for (int h = 0; h < COUNT(heads); h++) {
        const int n = heads[h], stride = n + BEYOND;
        const size_t bytes = kv_packed_bytes(KV_BF16, n);
        const size_t floats = (size_t)((KV_RUN - 1) * stride + n);
        char *keys = guarded(bytes), *values = guarded(bytes);
        char *keys2 = guarded(bytes), *values2 = guarded(bytes);
        float *key = guarded(sizeof(float) * floats), *value = guarded(sizeof(float) * floats);
        memset(keys, 0x55, bytes), memset(keys2, 0x55, bytes);
        memset(values, 0x55, bytes), memset(values2, 0x55, bytes);
        for (int at = KV_BLOCK - KV_RUN; at > 0; at -= KV_RUN) { /* the first run stays as it is */
            fill_row(key, (int)floats, at), fill_row(value, (int)floats, at + 1);
            for (int i = 0; i < KV_RUN; i++) {
                fill_row(key + i * stride, n, at + i), fill_row(value + i * stride, n, at + i + 1);
                plain->kv_put(keys2, values2, KV_BF16, at + i, key + i * stride, value + i * stride,
                              n);
            }
            const int apart = at == KV_RUN;
            k->kv_put_run(keys, values, at, key, apart ? NULL : value, stride, n);
            if (apart) k->kv_put_run(keys, values, at, NULL, value, stride, n);
        }
        assert_memory_equal(keys, keys2, bytes);
        assert_memory_equal(values, values2, bytes);
        guarded_free(key), guarded_free(value);
        guarded_free(keys), guarded_free(values), guarded_free(keys2), guarded_free(values2);
    }
}

/* -- attention --------------------------------------------------------------------------------- */

struct attention {
    struct attend_args args;
    const void *k[MAX_BLOCKS], *v[MAX_BLOCKS];
    double *keys, *values; // what is stored: [n_keys][head_dim]
    float *q;
    int n_blocks;
};

static void widen_stored(struct attention *t, int64_t n_keys)
{
    const int head_dim = t->args.head_dim;
    t->keys = malloc((size_t)(n_keys * head_dim) * sizeof *t->keys);
    t->values = malloc((size_t)(n_keys * head_dim) * sizeof *t->values);
    for (int64_t i = 0; i < n_keys * head_dim; i++) {
        int64_t pos = i / head_dim;
        int at = (int)(pos % KV_BLOCK), d = (int)(i % head_dim);
        t->keys[i] = stored_kv(t->args.kv.type, t->k[pos / KV_BLOCK], 0, at, d, head_dim);
        t->values[i] = stored_kv(t->args.kv.type, t->v[pos / KV_BLOCK], 1, at, d, head_dim);
    }
}

/* Positions that no row sees hold NaN or what int8 makes of anything: using them would show. */
static void attention_init(struct attention *t, const struct kernels *k, enum kv_type type,
                           int head_dim, int n_q, int64_t first_pos, int causal)
{
    int64_t n_keys = first_pos + n_q;
    size_t bytes = kv_packed_bytes(type, head_dim);
    float key[MAX_DIM], value[MAX_DIM];
    *t = (struct attention){.n_blocks = (int)((n_keys + KV_BLOCK - 1) / KV_BLOCK)};
    for (int b = 0; b < t->n_blocks; b++) {
        char *keys = t->n_blocks > 8 ? malloc(bytes) : guarded(bytes);
        char *values = t->n_blocks > 8 ? malloc(bytes) : guarded(bytes);
        memset(keys, 0xff, bytes), memset(values, 0xff, bytes);
        for (int at = 0; at < KV_BLOCK && b * KV_BLOCK + at < n_keys; at++) {
            for (int d = 0; d < head_dim; d++) key[d] = random_float(), value[d] = random_float();
            k->kv_put(keys, values, type, at, key, value, head_dim);
        }
        t->k[b] = keys, t->v[b] = values;
    }
    t->args = (struct attend_args){.out_stride = head_dim + 7,
                                   .q_stride = head_dim + 2,
                                   .n_q = n_q,
                                   .first_pos = first_pos,
                                   .n_keys = n_keys,
                                   .causal = causal,
                                   .head_dim = head_dim,
                                   .scale = 1 / sqrtf((float)head_dim),
                                   .kv = {type, t->k, t->v}};
    widen_stored(t, n_keys);
    t->q = guarded_random((size_t)((n_q - 1) * t->args.q_stride + head_dim));
    t->args.q = t->q;
    t->args.scratch = aligned_alloc(64, attend_scratch_floats(head_dim) * 4 / 64 * 64 + 64);
}

static void attention_fini(struct attention *t)
{
    for (int b = 0; b < t->n_blocks; b++) {
        if (t->n_blocks > 8) {
            free((void *)t->k[b]), free((void *)t->v[b]);
        } else {
            guarded_free((void *)t->k[b]), guarded_free((void *)t->v[b]);
        }
    }
    guarded_free(t->q);
    free(t->keys), free(t->values);
    free(t->args.scratch);
}

static double score(const struct attention *t, int row, int64_t pos)
{
    const struct attend_args *a = &t->args;
    double sum = 0;
    for (int d = 0; d < a->head_dim; d++)
        sum += (double)a->q[row * a->q_stride + d] * t->keys[pos * a->head_dim + d];
    return sum * a->scale;
}

static void check_attention_row(const struct attention *t, int row)
{
    const struct attend_args *a = &t->args;
    int64_t n = a->causal ? a->first_pos + row + 1 : a->n_keys;
    double max = -INFINITY, total = 0, want[MAX_DIM] = {0}, size[MAX_DIM] = {0};
    double scores[MAX_BLOCKS * KV_BLOCK];
    for (int64_t pos = 0; pos < n; pos++) max = fmax(max, scores[pos] = score(t, row, pos));
    for (int64_t pos = 0; pos < n; pos++) {
        double p = exp(scores[pos] - max);
        total += p;
        for (int d = 0; d < a->head_dim; d++) {
            double v = t->values[pos * a->head_dim + d];
            want[d] += p * v;
            size[d] += p * fabs(v);
        }
    }
    for (int d = 0; d < a->head_dim; d++) {
        float got = a->out[row * a->out_stride + d];
        /* queries and weights in bf16: 2^-9 of a weight, and of each product in a score */
        double tolerance = a->kv.type == KV_BF16 ? 2e-2 : 1e-5;
        if (!(fabs(got - want[d] / total) <= tolerance * size[d] / total))
            fail_msg("%s head %d, %d queries, first %lld, row %d [%d]: %.9g, expected %.9g",
                     type_names[a->kv.type], a->head_dim, a->n_q, (long long)a->first_pos, row, d,
                     got, want[d] / total);
    }
    for (int64_t d = a->head_dim; d < a->out_stride; d++)
        assert_true(a->out[row * a->out_stride + d] == POISON);
}

/* Rows n at a time must give the bits of `whole`. */
static void check_pieces(const struct kernels *k, const struct attention *t, const float *whole,
                         int n)
{
    const struct attend_args *a = &t->args;
    size_t n_out = (size_t)(a->n_q * a->out_stride);
    float *part = poisoned(n_out);
    struct attend_args piece = *a;
    for (int row = 0; row < a->n_q; row += n) {
        piece.n_q = row + n < a->n_q ? n : a->n_q - row;
        piece.out = part + row * a->out_stride;
        piece.q = a->q + row * a->q_stride;
        piece.first_pos = a->first_pos + row;
        k->attend(&piece);
    }
    if (memcmp(whole, part, n_out * sizeof *whole) != 0)
        fail_msg("%s head %d, first %lld: other bits with %d rows", type_names[a->kv.type],
                 a->head_dim, (long long)a->first_pos, n);
    free(part);
}

static void check_attention(const struct kernels *k, struct attention *t)
{
    struct attend_args *a = &t->args;
    float *whole = poisoned((size_t)(a->n_q * a->out_stride));
    a->out = whole;
    k->attend(a);
    for (int row = 0; row < a->n_q; row++) check_attention_row(t, row);
    for (int n = 1; n < a->n_q; n = n * 2 + 1) check_pieces(k, t, whole, n);
    free(whole);
}

void attend_test_values(void **state)
{
    static const int heads[] = {1, 7, 8, 16, 32, 33, 64, 80, 96, 100, 130};
    static const int rows[] = {1, 2, 3, 6, 7, 20, ATTEND_MAX_Q};
    static const int64_t firsts[] = {0, 1, 62, 63, 64, 200};
    for (int type = 0; type < KV_TYPES; type++)
        for (int h = 0; h < COUNT(heads); h++)
            for (int f = 0; f < COUNT(firsts); f++)
                for (int causal = 0; causal < 2; causal++) {
                    struct attention t;
                    attention_init(&t, *state, (enum kv_type)type, heads[h],
                                   rows[(h + f + type) % COUNT(rows)], firsts[f], causal);
                    check_attention(*state, &t);
                    attention_fini(&t);
                }
}

/* A type computes with the f32 it stands for: the bits of KV_F32 that holds those numbers. */
void attend_test_bits(void **state)
{
    const struct kernels *k = *state;
    static const int heads[] = {12, 64, 96};
    for (int type = KV_F16; type < KV_BF16; type++)
        for (int h = 0; h < COUNT(heads); h++)
            for (int n_q = 1; n_q < 40; n_q = n_q * 3 + 2) {
                struct attention t, exact;
                int dim = heads[h];
                attention_init(&t, k, (enum kv_type)type, dim, n_q, 150, 1);
                attention_init(&exact, k, KV_F32, dim, n_q, 150, 1);
                for (int64_t pos = 0; pos < 150 + n_q; pos++) {
                    float key[MAX_DIM], value[MAX_DIM];
                    for (int d = 0; d < dim; d++) {
                        key[d] = (float)t.keys[pos * dim + d];
                        value[d] = (float)t.values[pos * dim + d];
                    }
                    k->kv_put((void *)exact.k[pos / KV_BLOCK], (void *)exact.v[pos / KV_BLOCK],
                              KV_F32, (int)(pos % KV_BLOCK), key, value, dim);
                }
                size_t n_out = (size_t)(n_q * t.args.out_stride);
                float *out = poisoned(n_out), *want = poisoned(n_out);
                t.args.out = out, exact.args.out = want, exact.args.q = t.args.q;
                k->attend(&t.args);
                k->attend(&exact.args);
                assert_memory_equal(out, want, n_out * sizeof *out);
                free(out), free(want);
                attention_fini(&t), attention_fini(&exact);
            }
}

/* Rows on both sides of a span's end, and a row whose spans are computed apart. */
void attend_test_spans(void **state)
{
    const struct kernels *k = *state;
    enum { DIM = 40, ROWS = 9, FIRST = 2 * ATTEND_SPAN - 5, MAX_SPANS = 3 };
    for (int type = 0; type < KV_TYPES; type++) {
        struct attention t;
        attention_init(&t, k, (enum kv_type)type, DIM, ROWS, FIRST, 1);
        check_attention(k, &t);
        float row[DIM], whole[DIM];
        float *states = aligned_alloc(64, MAX_SPANS * attend_span_floats(DIM) * sizeof *states);
        for (int i = 0; i < ROWS; i++) {
            struct attend_args a = t.args;
            a.n_q = 1, a.first_pos += i, a.q += i * a.q_stride, a.out = whole;
            k->attend(&a);
            int n_spans = a.first_pos < 2 * ATTEND_SPAN ? 2 : 3;
            for (int s = 0; s < n_spans; s++) {
                a.span = states + (size_t)s * attend_span_floats(DIM), a.span_at = s;
                k->attend(&a);
            }
            k->attend_merge(row, states, n_spans, DIM);
            assert_memory_equal(row, whole, sizeof row);
        }
        free(states);
        attention_fini(&t);
    }
}

/* What a later row may see and an earlier one not: infinite values stay with the rows that see
 * them. */
void attend_test_neighbours(void **state)
{
    const struct kernels *k = *state;
    enum { DIM = 40, ROWS = 40, FIRST = 45, N_ODD = 3 };
    static const int odd[N_ODD] = {FIRST + 7, FIRST + 20, FIRST + 33}; /* two blocks */
    static const enum kv_type types[] = {KV_F32, KV_BF16}; /* others store no such number */
    for (int i = 0; i < COUNT(types); i++) {
        struct attention t;
        attention_init(&t, k, types[i], DIM, ROWS, FIRST, 1);
        size_t n_out = (size_t)(ROWS * t.args.out_stride);
        float *plain = poisoned(n_out), *mixed = poisoned(n_out), value[DIM];
        t.args.out = plain;
        k->attend(&t.args);
        for (int j = 0; j < N_ODD; j++) {
            for (int d = 0; d < DIM; d++) value[d] = d % N_ODD == j ? INFINITY : 1;
            k->kv_put((void *)t.k[odd[j] / KV_BLOCK], (void *)t.v[odd[j] / KV_BLOCK], types[i],
                      odd[j] % KV_BLOCK, NULL, value, DIM);
        }
        t.args.out = mixed;
        k->attend(&t.args);
        size_t before = (size_t)((odd[0] - FIRST) * t.args.out_stride);
        assert_memory_equal(plain, mixed, before * sizeof *plain);
        check_pieces(k, &t, mixed, 1);
        check_pieces(k, &t, mixed, 5);
        free(plain), free(mixed);
        attention_fini(&t);
    }
}

/* Scores far apart: the maximum moves from block to block and most weights underflow. Rounding of a
 * score of this size shows in its exponential, so: every value is within those it mixes, and any
 * grouping gives the same bits. */
void attend_test_extremes(void **state)
{
    const struct kernels *k = *state;
    for (int type = 0; type < KV_TYPES; type++)
        for (float scale = 20; scale < 1e5f; scale *= 30) {
            struct attention t;
            attention_init(&t, k, (enum kv_type)type, 48, 9, 200, 1);
            t.args.scale = scale;
            float *out = poisoned((size_t)(9 * t.args.out_stride));
            t.args.out = out;
            k->attend(&t.args);
            for (int row = 0; row < 9; row++)
                for (int d = 0; d < 48; d++)
                    assert_true(fabsf(out[row * t.args.out_stride + d]) <= RANDOM_MAX * 1.01f);
            check_pieces(k, &t, out, 1);
            check_pieces(k, &t, out, 4);
            free(out);
            attention_fini(&t);
        }
}
