/* SPDX-License-Identifier: MIT
 * The drivers over threads: tiles cover every output once, what follows a product is applied once,
 * parts of attention keep apart, and the pulse comes in the middle of a long operation. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/mem.h"
#include "base/pool.h"
#include "model/ops.h"

enum { MAX_BLOCKS = 8, MAX_PREPARED = 1024 };

static void ops_open_for(struct ops *o, int n_threads, int max_blocks)
{
    struct pool *pool;
    assert_int_equal(pool_new(n_threads, &pool, NULL), 0);
    assert_int_equal(ops_init(o, kernels_best(), pool, 64, max_blocks, MAX_PREPARED, NULL), 0);
    ops_begin(o, NULL, NULL, 1);
}

static void ops_open(struct ops *o, int n_threads) { ops_open_for(o, n_threads, MAX_BLOCKS); }

static void ops_close(struct ops *o)
{
    struct pool *pool = o->pool;
    ops_fini(o);
    pool_free(pool);
}

static float *floats(size_t n, float phase)
{
    float *x = mem_array(n, sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < n; i++) x[i] = sinf((float)i * 0.7f + phase);
    return x;
}

/* -- Products --------------------------------------------------------------------------------- */

struct shape {
    int n_rows, n_in, n_out;
};

/* One kernel call for everything: the tiles must give its bits. */
static void check_linear(struct ops *o, struct shape s, enum weight_type type,
                         enum linear_then then)
{
    size_t rows = (size_t)s.n_rows, outs = (size_t)s.n_out, half = outs / 2;
    float *x = floats(rows * (size_t)s.n_in, 0), *weights = floats(outs * (size_t)s.n_in, 1);
    float *bias = floats(outs, 2), *y = floats(rows * outs, 3), *want = floats(rows * outs, 4);
    float *to = floats(rows * outs, 5), *want_to = floats(rows * outs, 5);
    struct mat w = {.data = weights, .type = type, .n_out = s.n_out, .n_in = s.n_in};
    char *packed = mem_alloc(mat_bytes(type, s.n_out, s.n_in)), *prepared = NULL;
    if (type == WEIGHT_F32) {
        o->k->matmul(want, s.n_out, x, s.n_in, s.n_rows, &w, bias, 0, s.n_out, o->scratch);
    } else {
        for (int out = 0; out < s.n_out; out += PACK_OUTS)
            o->k->pack(packed + pack_strip_bytes(type, s.n_in) * (size_t)(out / PACK_OUTS), type,
                       weights + (size_t)out * (size_t)s.n_in,
                       s.n_out - out < PACK_OUTS ? s.n_out - out : PACK_OUTS, s.n_in);
        w.data = packed;
        prepared = mem_array(rows, prepared_bytes(type, s.n_in));
        o->k->prepare(prepared, x, s.n_in, s.n_rows, type, s.n_in);
        o->k->matmul_prepared(want, s.n_out, prepared, s.n_rows, &w, bias, 0, s.n_out, o->scratch);
    }
    for (size_t r = 0; r < rows; r++) {
        float *row = want + r * outs;
        if (then == THEN_ADD) o->k->add(want_to + r * outs, row, s.n_out);
        if (then == THEN_GELU) o->k->gelu_erf(row, s.n_out);
        if (then == THEN_QUICK_GELU) o->k->quick_gelu(row, s.n_out);
        if (then == THEN_SILU_MUL) o->k->silu_mul(row, row, row + half, (int64_t)half);
    }
    ops_linear(o, &(struct linear){.w = &w,
                                   .bias = bias,
                                   .x = x,
                                   .x_stride = s.n_in,
                                   .y = y,
                                   .y_stride = s.n_out,
                                   .n_rows = s.n_rows,
                                   .then = then,
                                   .to = to});
    assert_memory_equal(y, want, rows * outs * sizeof *y);
    assert_memory_equal(to, want_to, rows * outs * sizeof *to);
    void *all[] = {x, weights, bias, y, want, to, want_to, packed, prepared};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
}

static void test_linear(void **state)
{
    (void)state;
    static const struct shape shapes[] = {{1, 40, 2},    {1, 33, 331},   {3, 70, 200}, {16, 17, 64},
                                          {17, 64, 130}, {300, 31, 210}, {513, 20, 66}};
    for (int threads = 1; threads <= 3; threads++) {
        struct ops o;
        ops_open(&o, threads);
        for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++)
            for (int then = THEN_NOTHING; then <= THEN_SILU_MUL; then++)
                if (then != THEN_SILU_MUL || shapes[i].n_out % 2 == 0) {
                    check_linear(&o, shapes[i], WEIGHT_F32, (enum linear_then)then);
                    check_linear(&o, shapes[i], WEIGHT_Q4, (enum linear_then)then);
                }
        ops_close(&o);
    }
}

/* Norms on the way to products give the bits of norms ahead of them, and calls get every output
 * once, by whole heads. */
enum { NORM_ROWS = 530, NORM_IN = 70, HEAD = 40, NORM_OUT = 7 * HEAD };

static atomic_int called[3][NORM_ROWS][NORM_OUT / HEAD];

static void count_outputs(const struct ops *o, const struct linear *l, int row, int n_rows, int col,
                          int n)
{
    (void)o;
    assert_true(col % HEAD == 0 && n % HEAD == 0);
    for (int i = row; i < row + n_rows; i++)
        for (int h = col / HEAD; h < (col + n) / HEAD; h++)
            atomic_fetch_add((atomic_int *)l->arg + (l->first_row + i) * (NORM_OUT / HEAD) + h, 1);
}

static void check_norm_linears(struct ops *o, enum weight_type type, const float *b)
{
    const size_t outs = NORM_ROWS * (size_t)NORM_OUT;
    float *x = floats(NORM_ROWS * NORM_IN, 0), *weights = floats(NORM_OUT * NORM_IN, 1);
    float *room = floats(NORM_ROWS * NORM_IN, 2), *y = floats(3 * outs, 3);
    float *want = floats(outs, 4), *w = floats(NORM_IN, 5);
    char *packed = mem_alloc(mat_bytes(type, NORM_OUT, NORM_IN));
    struct mat m = {.data = weights, .type = type, .n_out = NORM_OUT, .n_in = NORM_IN};
    if (type != WEIGHT_F32) {
        for (int out = 0; out < NORM_OUT; out += PACK_OUTS)
            o->k->pack(packed + pack_strip_bytes(type, NORM_IN) * (size_t)(out / PACK_OUTS), type,
                       weights + out * NORM_IN,
                       NORM_OUT - out < PACK_OUTS ? NORM_OUT - out : PACK_OUTS, NORM_IN);
        m.data = packed;
    }
    struct norm norm = {.w = w, .b = b, .eps = 1e-5f, .room = room};
    struct linear l[3];
    memset(called, 0, sizeof called);
    for (int i = 0; i < 3; i++)
        l[i] = (struct linear){.w = &m,
                               .x = x,
                               .x_stride = NORM_IN,
                               .y = y + i * outs,
                               .y_stride = NORM_OUT,
                               .n_rows = NORM_ROWS,
                               .then = THEN_CALL,
                               .call = count_outputs,
                               .arg = called[i],
                               .head = HEAD};
    ops_norm_linears(o, &norm, l, 3);
    ops_norm(o, &norm, room, x, NORM_ROWS, NORM_IN);
    l[0].x = room, l[0].y = want, l[0].then = THEN_NOTHING;
    ops_linear(o, &l[0]);
    for (int i = 0; i < 3; i++) {
        assert_memory_equal(y + i * outs, want, outs * sizeof *y);
        for (int row = 0; row < NORM_ROWS; row++)
            for (int h = 0; h < NORM_OUT / HEAD; h++) assert_int_equal(called[i][row][h], 1);
    }
    void *all[] = {x, weights, room, y, want, w, packed};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) mem_free(all[i]);
}

static void test_norm_linears(void **state)
{
    (void)state;
    float *b = floats(NORM_IN, 6);
    for (int threads = 1; threads <= 3; threads++) {
        struct ops o;
        ops_open(&o, threads);
        check_norm_linears(&o, WEIGHT_F32, b);
        check_norm_linears(&o, WEIGHT_Q8, b);
        check_norm_linears(&o, WEIGHT_Q8, NULL);
        check_norm_linears(&o, WEIGHT_Q4, NULL);
        ops_close(&o);
    }
    mem_free(b);
}

/* -- Attention -------------------------------------------------------------------------------- */

enum { HEADS = 4, KV_HEADS = 2, DIM = 12, WIDTH = HEADS * DIM, KEYS = 200 };

/* Softmax in double, straight from the definition. keys: [KEYS][2 * KV_HEADS * DIM]. */
static double attend_one(const struct attention *a, const float *keys, int row, int head, int d)
{
    int64_t n_keys = a->causal ? a->first_pos + row + 1 : a->n_keys;
    const float *k = keys + head / (a->n_heads / a->n_kv_heads) * DIM, *v = k + KV_HEADS * DIM;
    double sum = 0, out = 0;
    for (int64_t p = 0; p < n_keys; p++, k += 2 * KV_HEADS * DIM, v += 2 * KV_HEADS * DIM) {
        const float *q = a->q + row * a->q_stride + head * DIM;
        double score = 0;
        for (int i = 0; i < DIM; i++) score += (double)q[i] * k[i];
        double e = exp(score / sqrt(DIM));
        sum += e;
        out += e * v[d];
    }
    return out / sum;
}

/* A sequence of n random positions in blocks of its own. */
static struct attention sequence_of(const struct ops *o, char **blocks, const float *keys, int n)
{
    struct attention a = {.q_stride = WIDTH,
                          .out_stride = WIDTH,
                          .n_heads = HEADS,
                          .n_kv_heads = KV_HEADS,
                          .head_dim = DIM,
                          .kv_type = KV_F32,
                          .blocks = blocks,
                          .kv_offset = 128,
                          .head_step = 2 * kv_packed_bytes(KV_F32, DIM)};
    for (int b = 0; b * KV_BLOCK < n; b++) blocks[b] = mem_zalloc(128 + KV_HEADS * a.head_step);
    for (int pos = 0; pos < n; pos++)
        for (int h = 0; h < KV_HEADS; h++) {
            const float *k = keys + (pos * 2 * KV_HEADS + h) * DIM;
            ops_store(o, &a, h, pos, 1, k, k + KV_HEADS * DIM, 0);
        }
    return a;
}

static void test_attention_parts(void **state)
{
    (void)state;
    struct ops o;
    char *blocks[2][MAX_BLOCKS];
    float *keys[2] = {floats(KEYS * 2 * KV_HEADS * DIM, 1), floats(KEYS * 2 * KV_HEADS * DIM, 2)};
    float *q = floats(150 * WIDTH, 3), *out = floats(150 * WIDTH, 4);
    ops_open(&o, 2);
    struct attention parts[2] = {sequence_of(&o, blocks[0], keys[0], KEYS),
                                 sequence_of(&o, blocks[1], keys[1], KEYS)};
    parts[0].q = q, parts[0].out = out, parts[0].n_rows = 70;
    parts[0].causal = true, parts[0].first_pos = 65;
    parts[1].q = q + 70 * WIDTH, parts[1].out = out + 70 * WIDTH, parts[1].n_rows = 80;
    parts[1].n_keys = KEYS;
    ops_attend(&o, parts, 2);
    for (int i = 0; i < 2; i++)
        for (int row = 0; row < parts[i].n_rows; row++)
            for (int j = 0; j < WIDTH; j++)
                assert_float_equal(parts[i].out[row * WIDTH + j],
                                   attend_one(&parts[i], keys[i], row, j / DIM, j % DIM), 1e-5);
    ops_close(&o);
    for (int s = 0; s < 2; s++)
        for (int b = 0; b * KV_BLOCK < KEYS; b++) mem_free(blocks[s][b]);
    float *all[] = {keys[0], keys[1], q, out};
    for (int i = 0; i < 4; i++) mem_free(all[i]);
}

/* Rows that are alone are cut into spans when the threads are many: the bits stay. */
static void test_attention_spans(void **state)
{
    (void)state;
    enum { LONG = 2 * ATTEND_SPAN + 100, LONG_BLOCKS = (LONG + KV_BLOCK - 1) / KV_BLOCK };
    char *blocks[LONG_BLOCKS];
    float *keys = floats(LONG * 2 * KV_HEADS * DIM, 1), *q = floats(3 * WIDTH, 3);
    float *out = floats(3 * WIDTH, 4), *want = floats(3 * WIDTH, 4);
    for (int threads = 1; threads <= 8; threads *= 2) {
        struct ops o;
        ops_open_for(&o, threads, LONG_BLOCKS);
        struct attention a = sequence_of(&o, blocks, keys, LONG), parts[3];
        for (int i = 0; i < 3; i++) {
            parts[i] = a;
            parts[i].q = q + i * WIDTH, parts[i].out = out + i * WIDTH;
            parts[i].n_rows = 1, parts[i].causal = true;
            parts[i].first_pos = (int64_t[]){LONG - 1, 17, ATTEND_SPAN}[i];
        }
        ops_attend(&o, parts, 3);
        if (threads == 1) memcpy(want, out, 3 * WIDTH * sizeof *out);
        assert_memory_equal(out, want, 3 * WIDTH * sizeof *out);
        for (int i = 0; i < 3 && threads == 1; i++)
            for (int j = 0; j < WIDTH; j++)
                assert_float_equal(parts[i].out[j],
                                   attend_one(&parts[i], keys, 0, j / DIM, j % DIM), 1e-5);
        for (int b = 0; b < LONG_BLOCKS; b++) mem_free(blocks[b]);
        ops_close(&o);
    }
    float *all[] = {keys, q, out, want};
    for (int i = 0; i < 4; i++) mem_free(all[i]);
}

/* Steps in one go give the bits of storing first and attending then: whole, and by spans. */
struct entering {
    struct attention *parts;
    const float *q, *kv; // [3][WIDTH]: copied as they are; [3][2 * KV_HEADS * DIM]
    float *queries;      // [3][WIDTH]
};

static void enter(const struct ops *o, void *arg, int part, int kv_head)
{
    const struct entering *e = arg;
    const struct attention *a = &e->parts[part];
    const int group = HEADS / KV_HEADS, at = part * WIDTH + kv_head * group * DIM;
    const float *k = e->kv + (part * 2 * KV_HEADS + kv_head) * DIM;
    memcpy(e->queries + at, e->q + at, (size_t)(group * DIM) * sizeof(float));
    ops_store(o, a, kv_head, a->first_pos, 1, k, k + KV_HEADS * DIM, 0);
}

static void test_attention_steps(void **state)
{
    (void)state;
    enum { LONG = ATTEND_SPAN + 100, LONG_BLOCKS = (LONG + KV_BLOCK - 1) / KV_BLOCK };
    char *blocks[3][LONG_BLOCKS];
    float *keys = floats(LONG * 2 * KV_HEADS * DIM, 1), *kv = floats(3 * 2 * KV_HEADS * DIM, 2);
    float *q = floats(3 * WIDTH, 3), *out = floats(3 * WIDTH, 4), *want = floats(3 * WIDTH, 5);
    for (int threads = 1; threads <= 8; threads++) {
        struct ops o;
        ops_open_for(&o, threads, LONG_BLOCKS);
        struct attention parts[3];
        float *queries = floats(3 * WIDTH, 6);
        struct entering e = {.parts = parts, .q = q, .kv = kv, .queries = queries};
        for (int i = 0; i < 3; i++) {
            parts[i] = sequence_of(&o, blocks[i], keys, LONG);
            parts[i].q = queries + i * WIDTH, parts[i].out = out + i * WIDTH;
            parts[i].n_rows = 1, parts[i].causal = true;
            parts[i].first_pos = (int64_t[]){LONG - 1, 17, ATTEND_SPAN}[i];
        }
        ops_attend_steps(&o, parts, 3, enter, &e);
        if (threads == 1) { /* now all is stored */
            memcpy(want, out, 3 * WIDTH * sizeof *out);
            ops_attend(&o, parts, 3);
        }
        assert_memory_equal(out, want, 3 * WIDTH * sizeof *out);
        for (int i = 0; i < 3 * LONG_BLOCKS; i++)
            mem_free(blocks[i / LONG_BLOCKS][i % LONG_BLOCKS]);
        mem_free(queries);
        ops_close(&o);
    }
    float *all[] = {keys, kv, q, out, want};
    for (int i = 0; i < 5; i++) mem_free(all[i]);
}

/* -- Pulse ------------------------------------------------------------------------------------ */

static void slow_item(struct ops *o, void *arg, int64_t item, int thread)
{
    (void)o, (void)item, (void)thread;
    atomic_int *n_run = arg;
    nanosleep(&(struct timespec){.tv_nsec = 10000000}, NULL);
    atomic_fetch_add(n_run, 1);
}

struct pulses {
    int n, stop_at;
    const atomic_int *n_run;
    int n_run_at_stop;
};

static int on_pulse(void *user, int64_t done, int64_t total)
{
    (void)done, (void)total;
    struct pulses *p = user;
    p->n_run_at_stop = atomic_load(p->n_run);
    return ++p->n == p->stop_at;
}

static void test_pulse_within_an_operation(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 3; threads += 2) {
        struct ops o;
        atomic_int n_run = 0;
        struct pulses p = {.stop_at = 3, .n_run = &n_run};
        ops_open(&o, threads);
        ops_begin(&o, &(struct pulse){on_pulse, &p}, NULL, 1);
        ops_run(&o, 1000, INT64_MAX, slow_item, &n_run); // ten seconds, were it not stopped
        assert_int_equal(p.n, 3);
        assert_true(n_run >= 3 && n_run < 500);
        assert_int_equal(n_run,
                         p.n_run_at_stop); // nobody is still at work when the pulse is called
        assert_int_equal(ops_end(&o, NULL), PHI3V_E_CANCELLED);
        ops_run(&o, 1000, INT64_MAX, slow_item, &n_run); // and nothing is begun afterwards
        assert_int_equal(n_run, p.n_run_at_stop);
        ops_close(&o);
    }
}

static void count_item(struct ops *o, void *arg, int64_t item, int thread)
{
    (void)o, (void)thread;
    atomic_fetch_add(&((atomic_int *)arg)[item], 1);
}

static void test_every_item_once(void **state)
{
    (void)state;
    static atomic_int seen[5000];
    struct ops o;
    ops_open(&o, 3);
    for (int n = 0; n <= 5000; n = n * 3 + 1) {
        memset(seen, 0, sizeof seen);
        ops_run(&o, n, n % 2 ? 0 : INT64_MAX, count_item, seen);
        for (int i = 0; i < 5000; i++) assert_int_equal(seen[i], i < n);
    }
    ops_close(&o);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_item_once),
        cmocka_unit_test(test_linear),
        cmocka_unit_test(test_norm_linears),
        cmocka_unit_test(test_attention_parts),
        cmocka_unit_test(test_attention_spans),
        cmocka_unit_test(test_attention_steps),
        cmocka_unit_test(test_pulse_within_an_operation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
