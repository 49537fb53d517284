/* SPDX-License-Identifier: MIT
 * Steps of several sequences together give each the bits that it gets by itself: of bf16, q8 and q4
 * weights, both types of keys and values, at positions of different lengths and rope factors, for
 * one sequence and for more than a step holds, with blocks that two of them share. So do the tokens
 * that the GPU draws; when one sequence ends, the others' tokens of that step are still handed
 * out. With the argument "large" widths are those of the published model, and contexts longer: for
 * a real GPU. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/pool.h"
#include "fixture.h"

enum { N = 11, N_STEPS = 3, MOST_BLOCKS = 17, SHARING = 2, SHARED_FROM = 5 };

/* Positions held when the steps begin. SHARING has the first block of SHARED_FROM. */
static const int lengths[N] = {5, 63, 70, 1030, 0, 64, 127, 30, 700, 128, 2};
static bool large;

struct gpu {
    struct config config;
    struct model_weights weights;
    struct pool *pool;
    struct backend *backend;
    struct backend_state *state;
};

struct sequences {
    int blocks[N][MOST_BLOCKS];
};

static int step_id(const struct gpu *c, int seq, int step)
{
    return (seq * 17 + step * 31 + 5) % c->config.n_vocab;
}
static int blocks_of(int seq) { return (lengths[seq] + N_STEPS + KV_BLOCK - 1) / KV_BLOCK; }
static enum rope_factors rope_factors_of(const struct gpu *c, int seq)
{
    return lengths[seq] + N_STEPS > c->config.original_max_positions ? ROPE_LONG_FACTORS
                                                                     : ROPE_SHORT_FACTORS;
}

/* Of q4 weights the fifth layer is the first that has nothing but 4 bits. */
static void open_gpu(struct gpu *c, enum weights_form form, enum kv_type kv, int intermediate)
{
    struct phi3v_error err;
    fixture_small_config(&c->config);
    c->config.n_layers = form == FORM_Q4 ? 5 : 2;
    if (large) {
        c->config.n_heads = c->config.n_kv_heads = 32;
        c->config.head_dim = 96;
        c->config.hidden = 3072;
        c->config.n_vocab = 32064;
        intermediate = 8192;
        for (int i = 0; i < 48; i++) c->config.rope_short[i] = 1, c->config.rope_long[i] = 2;
    }
    c->config.intermediate = intermediate;
    c->config.vision.n_run_layers = 1;
    c->config.original_max_positions = 129; // some are beyond it
    assert_int_equal(pool_new(1, &c->pool, &err), 0);
    if (model_weights_synthetic(&c->config, form, c->pool, &c->weights, &err))
        fail_msg("%s", err.text);
    if (backend_cuda_open("cuda", &c->config, &c->weights, kv, &c->backend, &err))
        fail_msg("%s", err.text);
    if (c->backend->table->state_new(c->backend, &c->state, &err)) fail_msg("%s", err.text);
}

static void close_gpu(struct gpu *c)
{
    c->backend->table->state_free(c->state);
    c->backend->table->close(c->backend);
    model_weights_fini(&c->weights);
    pool_free(c->pool);
}

/* Keys and values as they were before any step: pseudo-random ones. */
static void begin(struct gpu *c, const struct sequences *s)
{
    for (int seq = 0; seq < N; seq++)
        for (int i = 0; i < blocks_of(seq); i++)
            c->backend->table->kv_fill(c->backend, s->blocks[seq][i], (uint64_t)(seq * 100 + i));
}

static void take_blocks(struct gpu *c, struct sequences *s)
{
    struct phi3v_error err;
    for (int seq = 0; seq < N; seq++)
        if (c->backend->table->kv_alloc(c->backend, blocks_of(seq), s->blocks[seq], &err))
            fail_msg("%s", err.text);
    s->blocks[SHARING][0] = s->blocks[SHARED_FROM][0];
}

/* -- Logits ------------------------------------------------------------------------------------ */

/* Step `step` of sequences first … first + n - 1 as one batch; logits [n][n_vocab]. */
static void step(struct gpu *c, const struct sequences *s, int first, int n, int at, float *logits)
{
    struct prompt_row rows[N];
    struct batch_seq seqs[N];
    struct phi3v_error err;
    int wanted[N];
    for (int i = 0; i < n; i++) {
        int seq = first + i;
        wanted[i] = i;
        rows[i] = (struct prompt_row){.id = step_id(c, seq, at)};
        seqs[i] = (struct batch_seq){.rows = &rows[i],
                                     .n_rows = 1,
                                     .first_pos = lengths[seq] + at,
                                     .blocks = s->blocks[seq],
                                     .rope_factors = rope_factors_of(c, seq)};
    }
    struct batch batch = {
        .seqs = seqs, .n_seqs = n, .logit_rows = wanted, .n_logit_rows = n, .logits = logits};
    if (c->backend->table->forward(c->state, &batch, &err)) fail_msg("%s", err.text);
}

static void assert_same_logits(struct gpu *c, const struct sequences *s, const float *alone)
{
    static const int numbers[] = {2, 3, 8, N};
    size_t row = (size_t)c->config.n_vocab;
    float *logits = mem_array(N * row, sizeof *logits);
    for (size_t k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        begin(c, s);
        for (int at = 0; at < N_STEPS; at++)
            for (int first = 0; first < N; first += numbers[k]) {
                int n = N - first < numbers[k] ? N - first : numbers[k];
                step(c, s, first, n, at, logits);
                for (int i = 0; i < n; i++)
                    if (memcmp(logits + (size_t)i * row,
                               alone + (size_t)((first + i) * N_STEPS + at) * row,
                               row * sizeof *logits) != 0)
                        fail_msg("step %d of sequence %d of %d together", at, first + i, n);
            }
    }
    mem_free(logits);
}

/* -- Tokens that the GPU draws ---------------------------------------------------------------- */

struct heard {
    int ids[N][N_STEPS], n[N];
    int stop_seq, stop_after;
    int first;
};

static int hear(void *user, int i, int32_t id)
{
    struct heard *h = user;
    int seq = h->first + i;
    assert_in_range(seq, 0, N - 1);
    assert_in_range(h->n[seq], 0, N_STEPS - 1);
    h->ids[seq][h->n[seq]++] = id;
    return seq == h->stop_seq && h->n[seq] == h->stop_after;
}

static void draw(struct gpu *c, const struct sequences *s, int first, int n, struct heard *h)
{
    static const struct draw settings[3] = {
        {.top_p = 1, .repetition_penalty = 1},
        {2, 50, 0.9f, 0.01f, 1.3f, {1, 2, 3, 4}},
        {.temperature = 1, .top_p = 1, .repetition_penalty = 1, .random = {9, 8, 7, 6}}};
    struct decode_seq seqs[BACKEND_STEP_SEQS];
    struct phi3v_error err;
    unsigned char *seen = mem_zalloc((size_t)c->config.n_vocab);
    for (int i = 0; i < c->config.n_vocab; i += 2) seen[i] = 1;
    for (int i = 0; i < n; i++)
        seqs[i] = (struct decode_seq){.id = step_id(c, first + i, 0),
                                      .pos = lengths[first + i],
                                      .blocks = s->blocks[first + i],
                                      .rope_factors = rope_factors_of(c, first + i),
                                      .draw = &settings[(first + i) % 3],
                                      .seen = seen};
    h->first = first;
    if (c->backend->table->decode(c->state, seqs, n, N_STEPS, hear, h, &err))
        fail_msg("%s", err.text);
    mem_free(seen);
}

static void assert_same_ids(struct gpu *c, const struct sequences *s)
{
    struct heard alone = {.stop_seq = -1}, together = {.stop_seq = 1, .stop_after = 2};
    begin(c, s);
    for (int seq = 0; seq < N; seq++) draw(c, s, seq, 1, &alone);
    begin(c, s);
    draw(c, s, 0, BACKEND_STEP_SEQS, &together);
    for (int seq = 0; seq < BACKEND_STEP_SEQS; seq++) { // sequence 1 ends with its second
        assert_int_equal(together.n[seq], 2);
        assert_memory_equal(together.ids[seq], alone.ids[seq], 2 * sizeof **alone.ids);
    }
    begin(c, s);
    memset(&together, 0, sizeof together);
    together.stop_seq = -1;
    for (int first = 0; first < N; first += 3)
        draw(c, s, first, N - first < 3 ? N - first : 3, &together);
    assert_memory_equal(together.ids, alone.ids, sizeof alone.ids);
}

/* -- The forms --------------------------------------------------------------------------------- */

static void assert_together(enum weights_form form, enum kv_type kv, int intermediate)
{
    struct gpu c;
    struct sequences s;
    open_gpu(&c, form, kv, intermediate);
    assert_int_equal(c.backend->table->step_seqs(c.backend), BACKEND_STEP_SEQS);
    size_t row = (size_t)c.config.n_vocab;
    float *alone = mem_array(N * N_STEPS * row, sizeof *alone);
    take_blocks(&c, &s);
    begin(&c, &s);
    for (int seq = 0; seq < N; seq++)
        for (int at = 0; at < N_STEPS; at++)
            step(&c, &s, seq, 1, at, alone + (size_t)(seq * N_STEPS + at) * row);
    for (size_t i = 0; i < N * N_STEPS * row; i++) assert_true(isfinite(alone[i]));
    assert_same_logits(&c, &s, alone);
    assert_same_ids(&c, &s);
    mem_free(alone);
    close_gpu(&c);
}

static void bf16_together(void **state)
{
    (void)state;
    assert_together(FORM_F32, KV_BF16, 33);
}

/* Halves of gate and up that are not whole strips. */
static void q8_together(void **state)
{
    (void)state;
    assert_together(FORM_Q8, KV_Q8, 100);
}

static void q4_together(void **state)
{
    (void)state;
    assert_together(FORM_Q4, KV_BF16, 96);
}

int main(int argc, char **argv)
{
    large = argc > 1 && !strcmp(argv[1], "large");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_together),
        cmocka_unit_test(q8_together),
        cmocka_unit_test(q4_together),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
