/* SPDX-License-Identifier: MIT
 * Forward passes and picture encoding on a small synthetic model: the same bits however the work is
 * cut, cancelling, several sessions at once, running out of memory. */
#define _POSIX_C_SOURCE 200809L
#include <math.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "fixture.h"
#include "model/project.h"
#include "level.h"

enum { N_ROWS = 600, N_VOCAB = 331, MAX_BLOCKS = 16 };

/* -- Making sequences ------------------------------------------------------------------------- */

/* A session's place: work area and KV blocks. */
struct place {
    struct backend *b;
    struct backend_state *s;
    int blocks[MAX_BLOCKS];
};

static void place_open(struct place *p, struct backend *b, uint64_t seed)
{
    p->b = b;
    assert_int_equal(b->table->state_new(b, &p->s, NULL), 0);
    assert_int_equal(b->table->kv_alloc(b, MAX_BLOCKS, p->blocks, NULL), 0);
    for (int i = 0; i < MAX_BLOCKS; i++) b->table->kv_fill(b, p->blocks[i], seed + (uint64_t)i);
}

static void place_close(struct place *p)
{
    p->b->table->kv_free(p->b, p->blocks, MAX_BLOCKS);
    p->b->table->state_free(p->s);
}

static void make_crops(const struct fixture *f, int rows, int cols, struct crops *crops)
{
    int side = f->config.vision.image_size;
    size_t n = (size_t)(1 + rows * cols) * 3 * (size_t)side * (size_t)side;
    *crops = (struct crops){.plan = {.crop_side = side, .rows = rows, .cols = cols},
                            .n = 1 + rows * cols,
                            .data = mem_array(n, sizeof(float))};
    assert_non_null(crops->data);
    for (size_t i = 0; i < n; i++) crops->data[i] = sinf((float)i * 0.37f) * 2;
}

/* Text with one picture's rows in it. */
static void make_rows(const struct features *f, struct prompt_row rows[N_ROWS])
{
    int n_features = f ? 40 : 0;
    for (int i = 0; i < N_ROWS; i++) {
        rows[i] = (struct prompt_row){.id = (i * 7919 + 13) % N_VOCAB};
        if (i >= 10 && i < 10 + n_features)
            rows[i] = (struct prompt_row){.features = f, .feature_row = i - 10};
    }
}

static struct features *encode(struct backend_state *s, struct backend *b, struct crops *crops)
{
    struct features *f = NULL;
    struct crop_source source = crops_ready(crops);
    assert_int_equal(b->table->encode(s, &source, NULL, NULL, &f, NULL), 0);
    return f;
}

/* Rows [from, from + n) of one sequence; all their logits. */
static int forward(struct place *p, const struct prompt_row *rows, int from, int n,
                   enum rope_factors rope_factors, float *logits, const struct pulse *pulse,
                   struct phi3v_error *err)
{
    int wanted[N_ROWS];
    for (int i = 0; i < n; i++) wanted[i] = i;
    struct batch_seq seq = {.rows = rows + from,
                            .n_rows = n,
                            .first_pos = from,
                            .blocks = p->blocks,
                            .rope_factors = rope_factors};
    struct batch b = {.seqs = &seq,
                      .n_seqs = 1,
                      .logit_rows = wanted,
                      .n_logit_rows = n,
                      .logits = logits + (size_t)from * N_VOCAB,
                      .pulse = pulse};
    return p->b->table->forward(p->s, &b, err);
}

/* -- Row independence ------------------------------------------------------------------------- */

struct expected {
    struct prompt_row rows[N_ROWS];
    struct features *features;
    float *logits, *got; // [N_ROWS][N_VOCAB]
};

static void expected_open(struct expected *e, struct place *p, const struct fixture *f,
                          enum rope_factors rope_factors)
{
    struct crops crops;
    make_crops(f, 1, 2, &crops);
    e->features = encode(p->s, f->backend, &crops);
    mem_free(crops.data);
    make_rows(e->features, e->rows);
    e->logits = mem_array((size_t)N_ROWS * N_VOCAB, sizeof(float));
    e->got = mem_array((size_t)N_ROWS * N_VOCAB, sizeof(float));
    assert_true(e->logits && e->got);
    assert_int_equal(forward(p, e->rows, 0, N_ROWS, rope_factors, e->logits, NULL, NULL), 0);
    for (int i = 0; i < N_ROWS * N_VOCAB; i++) assert_true(isfinite(e->logits[i]));
}

static void expected_close(struct expected *e, const struct fixture *f)
{
    f->backend->table->features_free(e->features);
    mem_free(e->logits);
    mem_free(e->got);
}

static void assert_same_rows(const struct expected *e, int from, int n)
{
    for (int i = from; i < from + n; i++)
        if (memcmp(e->got + (size_t)i * N_VOCAB, e->logits + (size_t)i * N_VOCAB,
                   N_VOCAB * sizeof(float)) != 0)
            fail_msg("row %d has other bits", i);
}

/* The first n_rows again in pieces of the given lengths, over and over. */
static void run_in_pieces(struct expected *e, struct place *p, const int *lengths, int n_lengths,
                          int n_rows, enum rope_factors rope_factors)
{
    int from = 0;
    memset(e->got, 0xff, (size_t)N_ROWS * N_VOCAB * sizeof(float));
    for (int i = 0; from < n_rows; i++) {
        int n = lengths[i % n_lengths];
        if (n > n_rows - from) n = n_rows - from;
        assert_int_equal(forward(p, e->rows, from, n, rope_factors, e->got, NULL, NULL), 0);
        from += n;
    }
    assert_same_rows(e, 0, n_rows);
}

static void check_pieces(const struct config *c, int n_threads, enum rope_factors rope_factors)
{
    static const int alone[] = {1}, odd[] = {7, 64, 1, 65, 3, 130, 17};
    struct fixture f, again;
    struct place first, second;
    struct expected e;
    assert_int_equal(fixture_synthetic(&f, c, 1, NULL), 0);
    assert_int_equal(fixture_synthetic(&again, c, n_threads, NULL), 0);
    place_open(&first, f.backend, 1);
    place_open(&second, again.backend,
               1000); // other contents: what lies behind the keys must not matter
    expected_open(&e, &first, &f, rope_factors);
    run_in_pieces(&e, &second, odd, 7, N_ROWS, rope_factors);
    run_in_pieces(&e, &second, alone, 1, 140, rope_factors);
    expected_close(&e, &f);
    place_close(&first);
    place_close(&second);
    fixture_close(&again);
    fixture_close(&f);
}

static void test_rows_are_independent(void **state)
{
    (void)state;
    struct config c;
    fixture_small_config(&c);
    check_pieces(&c, 1, ROPE_SHORT_FACTORS);
    check_pieces(&c, 2, ROPE_LONG_FACTORS);
    c.n_kv_heads = c.n_heads;
    check_pieces(&c, 3, ROPE_SHORT_FACTORS);
}

/* Two sequences in one batch, one of them behind rows it already holds. */
static void test_sequences_in_one_batch(void **state)
{
    (void)state;
    struct config c;
    struct fixture f;
    struct place a, b;
    struct expected e;
    fixture_small_config(&c);
    assert_int_equal(fixture_synthetic(&f, &c, 2, NULL), 0);
    place_open(&a, f.backend, 1);
    place_open(&b, f.backend, 2);
    expected_open(&e, &a, &f, ROPE_SHORT_FACTORS);
    assert_int_equal(forward(&b, e.rows, 0, 100, ROPE_SHORT_FACTORS, e.got, NULL, NULL), 0);

    struct batch_seq seqs[3] = {
        {.rows = e.rows, .n_rows = 33, .blocks = a.blocks},
        {.rows = NULL, .n_rows = 0, .blocks = a.blocks},
        {.rows = e.rows + 100, .n_rows = 20, .first_pos = 100, .blocks = b.blocks}};
    int wanted[3] = {0, 32, 33 + 19};
    float logits[3][N_VOCAB];
    struct batch batch = {
        .seqs = seqs, .n_seqs = 3, .logit_rows = wanted, .n_logit_rows = 3, .logits = logits[0]};
    assert_int_equal(f.backend->table->forward(a.s, &batch, NULL), 0);
    assert_memory_equal(logits[0], e.logits, sizeof logits[0]);
    assert_memory_equal(logits[1], e.logits + 32 * N_VOCAB, sizeof logits[1]);
    assert_memory_equal(logits[2], e.logits + 119 * N_VOCAB, sizeof logits[2]);
    expected_close(&e, &f);
    place_close(&a);
    place_close(&b);
    fixture_close(&f);
}

/* The features of a picture do not depend on threads, be they fewer than crops or more, or on how
 * many crops went together: a traced encoding takes all ten at once. */
static int pass_over(const char *name, int n_dims, const int64_t *shape, const float *data,
                     void *user)
{
    (void)name, (void)n_dims, (void)shape, (void)data, (void)user;
    return 0;
}

static void test_features_are_the_same(void **state)
{
    (void)state;
    struct config c;
    enum { WAYS = 5 };
    static const int threads[WAYS] = {1, 2, 3, 12, 2};
    struct features *features[WAYS] = {0};
    fixture_small_config(&c);
    for (int i = 0; i < WAYS; i++) {
        struct fixture f;
        struct place p;
        struct crops crops;
        struct trace trace = {pass_over, NULL};
        assert_int_equal(fixture_synthetic(&f, &c, threads[i], NULL), 0);
        place_open(&p, f.backend, 1);
        make_crops(&f, 3, 3, &crops);
        struct crop_source source = crops_ready(&crops);
        assert_int_equal(f.backend->table->encode(p.s, &source, i == WAYS - 1 ? &trace : NULL, NULL,
                                                  &features[i], NULL),
                         0);
        assert_int_equal(f.backend->table->features_rows(features[i]),
                         config_image_tokens(&c, 3, 3));
        mem_free(crops.data);
        place_close(&p);
        fixture_close(&f);
    }
    size_t n = (size_t)features[0]->n_rows * (size_t)features[0]->hidden;
    for (int i = WAYS - 1; i >= 0; i--) {
        assert_memory_equal(features[i]->data, features[0]->data, n * sizeof(float));
        project_features_free(features[i]);
    }
}

/* The fourth crop cannot be made, while others are under way. */
static int make_three(void *user, int first, int n, float *to, struct phi3v_error *err)
{
    const struct crop_source *whole = user;
    if (first + n > 3) return err_set(err, PHI3V_E_MEMORY, "no memory for crop %d", first + n - 1);
    return whole->make(whole->user, first, n, to, err);
}

static void test_crop_that_fails(void **state)
{
    (void)state;
    struct config c;
    fixture_small_config(&c);
    for (int threads = 1; threads <= 12; threads += 1 + threads) {
        struct fixture f;
        struct place p;
        struct crops crops;
        struct features *features = NULL;
        struct phi3v_error err = {0};
        assert_int_equal(fixture_synthetic(&f, &c, threads, NULL), 0);
        place_open(&p, f.backend, 1);
        make_crops(&f, 3, 3, &crops);
        struct crop_source whole = crops_ready(&crops), source = whole;
        source.make = make_three, source.user = &whole;
        assert_int_equal(f.backend->table->encode(p.s, &source, NULL, NULL, &features, &err),
                         PHI3V_E_MEMORY);
        assert_non_null(strstr(err.text, "no memory for crop 3"));
        assert_in_range(f.backend->table->features_done(features), 0, 3);
        project_features_free(features);
        project_features_free(encode(p.s, f.backend, &crops)); // and the next one is encoded
        mem_free(crops.data);
        place_close(&p);
        fixture_close(&f);
    }
}

/* -- Cancelling and progress ------------------------------------------------------------------ */

/* Large enough that a pass takes far longer than the time between two pulses. */
static void slow_config(struct config *c)
{
    fixture_small_config(c);
    c->hidden = 480;
    c->head_dim = 80;
    c->intermediate = 3000;
    c->n_layers = 12;
    for (int i = 0; i < c->head_dim / 2; i++) c->rope_short[i] = c->rope_long[i] = 1;
    c->vision = (struct vision_config){.hidden = 240,
                                       .intermediate = 960,
                                       .n_layers = 25,
                                       .n_heads = 4,
                                       .head_dim = 60,
                                       .image_size = 168,
                                       .patch_size = 7,
                                       .layer_norm_eps = 1e-5f,
                                       .n_run_layers = 24};
}

/* Crops of a source, each asked for in two parts before it is made, counted. */
struct counted {
    const struct crop_source *whole;
    int n_prepared, n_made[10];
};

static int count_prepare(void *user, int first, int n, struct phi3v_error *err)
{
    struct counted *c = user;
    (void)first, (void)n, (void)err;
    return c->n_prepared++ % 2 == 0;
}

static int count_make(void *user, int first, int n, float *to, struct phi3v_error *err)
{
    struct counted *c = user;
    for (int i = first; i < first + n; i++) c->n_made[i]++;
    nanosleep(&(struct timespec){.tv_nsec = 70000000}, NULL); // longer than between two pulses
    return c->whole->make(c->whole->user, first, n, to, err);
}

struct after { // stops when so many crops are done
    int crops, seen;
};

/* Of ten crops; done and total count the tower's steps. */
static int stop_after(void *user, int64_t done, int64_t total)
{
    struct after *a = user;
    a->seen = (int)(done * 10 / total);
    return a->seen >= a->crops;
}

/* Stopped and asked again until it is finished: crops that were done are not made again, and what
 * comes of it is the same. least: worth of crops in a call, more than there are threads to have one
 * each under way. */
static void encode_in_parts(struct fixture *f, struct place *p, struct crops *crops,
                            const struct features *want, int least)
{
    struct crop_source whole = crops_ready(crops);
    struct counted counted = {.whole = &whole};
    struct crop_source source = {.plan = whole.plan,
                                 .n = whole.n,
                                 .prepare = count_prepare,
                                 .n_prepare = 2 * whole.n,
                                 .make = count_make,
                                 .user = &counted};
    struct features *features = NULL;
    int n_done = 0, rc = PHI3V_E_CANCELLED, n_calls = 0;
    while (rc == PHI3V_E_CANCELLED) {
        struct after after = {.crops = n_done + least};
        bool was_done[10] = {0};
        for (int i = 0; i < 10 && features; i++) was_done[i] = features->done[i];
        memset(counted.n_made, 0, sizeof counted.n_made);
        rc = f->backend->table->encode(p->s, &source, NULL, &(struct pulse){stop_after, &after},
                                       &features, NULL);
        for (int i = 0; i < 10; i++) assert_true(counted.n_made[i] + was_done[i] <= 1);
        int now = f->backend->table->features_done(features);
        assert_true(now > n_done || rc == 0);
        n_calls++;
        n_done = now;
    }
    assert_int_equal(rc, 0);
    assert_int_equal(n_done, 10);
    assert_true(n_calls > 1);
    size_t n = (size_t)want->n_rows * (size_t)want->hidden;
    assert_memory_equal(features->data, want->data, n * sizeof(float));
    project_features_free(features);
}

static void test_stopped_pictures_go_on(void **state)
{
    (void)state;
    struct config c;
    fixture_small_config(&c);
    for (int threads = 1; threads <= 3; threads++) {
        struct fixture f;
        struct place p;
        struct crops crops;
        assert_int_equal(fixture_synthetic(&f, &c, threads, NULL), 0);
        place_open(&p, f.backend, 1);
        make_crops(&f, 3, 3, &crops);
        struct features *want = encode(p.s, f.backend, &crops);
        encode_in_parts(&f, &p, &crops, want, threads + 2);
        project_features_free(want);
        mem_free(crops.data);
        place_close(&p);
        fixture_close(&f);
    }
}

struct counter {
    int n_calls, stop_at; // stop_at 0: never
    int64_t last_done, total;
};

static int count_pulse(void *user, int64_t done, int64_t total)
{
    struct counter *c = user;
    assert_true(done >= c->last_done && done <= total);
    c->last_done = done;
    c->total = total;
    return ++c->n_calls == c->stop_at;
}

static void test_cancel(void **state)
{
    (void)state;
    struct config c;
    struct fixture f;
    struct place p;
    struct prompt_row rows[N_ROWS];
    struct crops crops;
    struct features *features = NULL;
    struct phi3v_error err;
    slow_config(&c);
    assert_int_equal(fixture_synthetic(&f, &c, 2, NULL), 0);
    place_open(&p, f.backend, 1);
    make_rows(NULL, rows);
    float *before = mem_array((size_t)N_ROWS * N_VOCAB, sizeof *before);
    float *after = mem_array((size_t)N_ROWS * N_VOCAB, sizeof *after);
    assert_int_equal(forward(&p, rows, 0, 5, ROPE_SHORT_FACTORS, before, NULL, NULL), 0);

    struct counter once = {.stop_at = 1};
    struct pulse pulse = {count_pulse, &once};
    double start = clock_s();
    int rc = forward(&p, rows, 5, N_ROWS - 5, ROPE_SHORT_FACTORS, after, &pulse, &err);
    assert_int_equal(rc, PHI3V_E_CANCELLED);
    assert_true(clock_s() - start < 5); // a fraction of a second, but sanitizers are slow
    assert_int_equal(once.n_calls, 1);
    assert_int_equal(once.total, N_ROWS - 5);

    once = (struct counter){.stop_at = 1};
    make_crops(&f, 3, 3, &crops);
    struct crop_source source = crops_ready(&crops);
    assert_int_equal(f.backend->table->encode(p.s, &source, NULL, &pulse, &features, &err),
                     PHI3V_E_CANCELLED);
    assert_true(once.total > 10 && once.total % 10 == 0); // so many steps of each crop
    project_features_free(features);
    mem_free(crops.data);

    assert_int_equal(forward(&p, rows, 0, 5, ROPE_SHORT_FACTORS, after, NULL, NULL), 0);
    assert_memory_equal(after, before, 5 * N_VOCAB * sizeof(float));
    mem_free(before);
    mem_free(after);
    place_close(&p);
    fixture_close(&f);
}

/* -- Tracing ---------------------------------------------------------------------------------- */

struct traced {
    int n, stop_at;
    float last[N_VOCAB];
};

static int count_trace(const char *name, int n_dims, const int64_t *shape, const float *data,
                       void *user)
{
    struct traced *t = user;
    if (strcmp(name, "logits_last") == 0) {
        assert_int_equal(n_dims, 1);
        assert_int_equal(shape[0], N_VOCAB);
        memcpy(t->last, data, sizeof t->last);
    }
    return ++t->n == t->stop_at;
}

static int traced_forward(struct place *p, const struct expected *e, struct traced *t)
{
    struct batch_seq seq = {.rows = e->rows, .n_rows = N_ROWS, .blocks = p->blocks};
    int last = N_ROWS - 1;
    float logits[N_VOCAB];
    struct batch b = {.seqs = &seq,
                      .n_seqs = 1,
                      .logit_rows = &last,
                      .n_logit_rows = 1,
                      .logits = logits,
                      .trace = &(struct trace){count_trace, t}};
    return p->b->table->forward(p->s, &b, NULL);
}

static void test_trace(void **state)
{
    (void)state;
    struct config c;
    struct fixture f;
    struct place p;
    struct expected e;
    struct traced t = {0}, stopped = {.stop_at = 4};
    fixture_small_config(&c);
    assert_int_equal(fixture_synthetic(&f, &c, 2, NULL), 0);
    place_open(&p, f.backend, 1);
    expected_open(&e, &p, &f, ROPE_SHORT_FACTORS);
    assert_int_equal(traced_forward(&p, &e, &t), 0);
    assert_int_equal(t.n, 3 + 6 + c.n_layers + 2);
    assert_memory_equal(t.last, e.logits + (size_t)(N_ROWS - 1) * N_VOCAB, sizeof t.last);
    assert_int_equal(traced_forward(&p, &e, &stopped), PHI3V_E_CANCELLED);
    assert_int_equal(stopped.n, 4);
    expected_close(&e, &f);
    place_close(&p);
    fixture_close(&f);
}

/* -- Several sessions ------------------------------------------------------------------------- */

struct session_thread {
    struct backend *b;
    const struct prompt_row *rows;
    const float *logits;
    int seed, n_wrong;
};

static void *session_main(void *arg)
{
    struct session_thread *t = arg;
    struct place p;
    float *got = mem_array((size_t)N_ROWS * N_VOCAB, sizeof *got);
    place_open(&p, t->b, (uint64_t)t->seed);
    for (int from = 0, n = 11 + t->seed; from < 150; from += n) {
        if (forward(&p, t->rows, from, n, ROPE_SHORT_FACTORS, got, NULL, NULL)) t->n_wrong++;
        size_t at = (size_t)from * N_VOCAB;
        if (memcmp(got + at, t->logits + at, (size_t)n * N_VOCAB * sizeof *got)) t->n_wrong++;
    }
    place_close(&p);
    mem_free(got);
    return NULL;
}

static void test_sessions_on_threads(void **state)
{
    (void)state;
    struct config c;
    struct fixture f;
    struct place p;
    struct expected e;
    pthread_t threads[3];
    struct session_thread args[3];
    fixture_small_config(&c);
    assert_int_equal(fixture_synthetic(&f, &c, 2, NULL), 0);
    place_open(&p, f.backend, 1);
    expected_open(&e, &p, &f, ROPE_SHORT_FACTORS);
    for (int i = 0; i < 3; i++) {
        args[i] = (struct session_thread){f.backend, e.rows, e.logits, i, 0};
        assert_int_equal(pthread_create(&threads[i], NULL, session_main, &args[i]), 0);
    }
    for (int i = 0; i < 3; i++) {
        pthread_join(threads[i], NULL);
        assert_int_equal(args[i].n_wrong, 0);
    }
    expected_close(&e, &f);
    place_close(&p);
    fixture_close(&f);
}

/* -- Memory ----------------------------------------------------------------------------------- */

/* Everything a first answer needs, failing at the first error. */
static int whole_use(const struct fixture *f, struct crops *crops, struct phi3v_error *err)
{
    struct backend *b = NULL;
    struct backend_state *s = NULL;
    struct features *features = NULL;
    struct crop_source source = crops_ready(crops);
    static float logits[N_VOCAB];
    int block = -1, wanted = 1;
    int rc = backend_cpu_open(&f->config, &f->weights, f->pool, KV_F32, &b, err);
    if (rc == 0) rc = b->table->state_new(b, &s, err);
    if (rc == 0) rc = b->table->encode(s, &source, NULL, NULL, &features, err);
    if (rc == 0) rc = b->table->kv_alloc(b, 1, &block, err);
    if (rc == 0) {
        struct prompt_row rows[2] = {{.id = 5}, {.features = features, .feature_row = 3}};
        struct batch_seq seqs[2] = {{.rows = rows, .n_rows = 2, .blocks = &block},
                                    {.blocks = &block}}; // more tables than a state begins with
        struct batch batch = {
            .seqs = seqs, .n_seqs = 2, .logit_rows = &wanted, .n_logit_rows = 1, .logits = logits};
        rc = b->table->forward(s, &batch, err);
        b->table->kv_free(b, &block, 1);
    }
    if (b) {
        b->table->features_free(features);
        b->table->state_free(s);
        b->table->close(b);
    }
    return rc;
}

static void test_out_of_memory(void **state)
{
    (void)state;
    struct config c;
    struct fixture f;
    struct crops crops;
    fixture_small_config(&c);
    assert_int_equal(fixture_synthetic(&f, &c, 2, NULL), 0);
    make_crops(&f, 1, 1, &crops);
    size_t before = mem_in_use_bytes();
    int n_failed = 0;
    for (long n = 1;; n++) {
        struct phi3v_error err = {0};
        mem_fail_at(n);
        int rc = whole_use(&f, &crops, &err);
        mem_fail_at(0);
        assert_int_equal(mem_in_use_bytes(), before);
        if (rc == 0) break;
        assert_int_equal(rc, PHI3V_E_MEMORY);
        assert_true(err.text[0]);
        n_failed++;
    }
    assert_true(n_failed >= 10);
    mem_free(crops.data);
    fixture_close(&f);
}

static void test_decode_does_not_allocate(void **state)
{
    (void)state;
    struct config c;
    struct fixture f;
    struct place p;
    struct prompt_row rows[N_ROWS];
    static float logits[N_ROWS * N_VOCAB];
    fixture_small_config(&c);
    assert_int_equal(fixture_synthetic(&f, &c, 2, NULL), 0);
    place_open(&p, f.backend, 1);
    make_rows(NULL, rows);
    mem_fail_at(1); // the very first allocation would fail
    for (int i = 0; i < 100; i++)
        assert_int_equal(forward(&p, rows, i, 1, ROPE_SHORT_FACTORS, logits, NULL, NULL), 0);
    mem_fail_at(0);
    place_close(&p);
    fixture_close(&f);
}

/* -- Refusals --------------------------------------------------------------------------------- */

static void test_refusals(void **state)
{
    (void)state;
    struct config c;
    struct fixture f;
    struct place p;
    struct phi3v_error err;
    fixture_small_config(&c);
    assert_int_equal(fixture_synthetic(&f, &c, 2, NULL), 0);
    place_open(&p, f.backend, 1);
    float logits[N_VOCAB];
    struct prompt_row bad[3] = {{.id = -1}, {.id = N_VOCAB}, {.id = 0}};
    for (int i = 0; i < 2; i++) {
        assert_int_equal(forward(&p, bad + i, 0, 1, ROPE_SHORT_FACTORS, logits, NULL, &err),
                         PHI3V_E_ARGUMENT);
        assert_non_null(strstr(err.text, "token id"));
    }
    struct batch_seq seq = {
        .rows = bad + 2, .n_rows = 1, .first_pos = c.max_positions, .blocks = p.blocks};
    struct batch batch = {.seqs = &seq, .n_seqs = 1};
    assert_int_equal(f.backend->table->forward(p.s, &batch, &err), PHI3V_E_TOO_LONG);
    place_close(&p);
    fixture_close(&f);
}

int main(void)
{
    level_require();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_are_independent),
        cmocka_unit_test(test_sequences_in_one_batch),
        cmocka_unit_test(test_features_are_the_same),
        cmocka_unit_test(test_crop_that_fails),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_stopped_pictures_go_on),
        cmocka_unit_test(test_trace),
        cmocka_unit_test(test_sessions_on_threads),
        cmocka_unit_test(test_out_of_memory),
        cmocka_unit_test(test_decode_does_not_allocate),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
