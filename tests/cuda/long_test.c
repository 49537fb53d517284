/* SPDX-License-Identifier: MIT
 * Answers behind a long context: long_test [TOKENS [wide]]. Random weights, but norms so large that
 * every row looks at a few keys only, anywhere in the sequence: a key that is lost, found in
 * another block, or turned by another angle changes the logits by their own size, where among
 * 131072 equal ones nobody would notice. Blocks lie in no order.
 * - The GPU against the CPU in f32: prompt rows of every length, and steps behind them.
 * - Steps against the prompt's last rows, which go through other kernels, at sizes where the CPU
 *   would take too long ("wide": widths of the published model, and more keys and values than 32
 *   bits count bytes).
 * - Tokens drawn ahead of the host against the steps' logits. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "base/mem.h"
#include "passes.h"

enum { N_STEPS = 8, MOST_PROBES = 200, STRIDE = 769 /* a prime, between neighbouring blocks */ };

static int n_tokens = 1200; // in all; more than 1024 are as many splits as there are
static bool wide;

/* -- The model --------------------------------------------------------------------------------- */

static struct config long_config(void)
{
    struct config c;
    fixture_small_config(&c);
    c.n_layers = 2;
    c.n_heads = 2;
    c.n_kv_heads = 1;
    c.head_dim = 96;
    c.hidden = 192;
    c.intermediate = 160;
    c.n_vocab = 307;
    c.vision.n_run_layers = 1;
    c.max_positions = n_tokens;
    c.original_max_positions = n_tokens / 32 + 1;
    for (int i = 0; i < 48; i++) { // about the published ones
        c.rope_short[i] = 1;
        c.rope_long[i] = 1 + 64.0f * (float)(i * i) / (47 * 47);
    }
    return c;
}

static struct config wide_config(void)
{
    struct config c = long_config();
    if (!wide) return c;
    c.n_layers = 4;
    c.n_heads = c.n_kv_heads = 32;
    c.hidden = 3072;
    c.intermediate = 8192;
    return c;
}

/* Scores of random weights spread by 1 and by the magnitude of the angles, squared: here by 5, so
 * that of n keys the few largest have all the weight. */
static void sharpen(struct passes_model *m)
{
    const struct config *c = &m->config;
    double ratio = (double)c->max_positions / (double)c->original_max_positions;
    double magnitude = sqrt(1 + log(ratio) / log((double)c->original_max_positions));
    float factor = (float)(sqrt(5) / magnitude);
    for (int i = 0; i < c->n_layers; i++) {
        float *norm = (float *)m->weights.layers[i].input_norm.data;
        for (int k = 0; k < c->hidden; k++) norm[k] *= factor;
    }
}

static void open_sharp(struct passes_model *m, struct config c)
{
    long n_cores = sysconf(_SC_NPROCESSORS_ONLN);
    passes_open(m, &c, FORM_F32, n_cores < 1 ? 1 : n_cores > 64 ? 64 : (int)n_cores);
    sharpen(m);
}

/* -- A sequence -------------------------------------------------------------------------------- */

struct sequence_on {
    struct backend *b;
    struct backend_state *s;
    int *blocks, n_blocks;
    int n_vocab;
};

static int32_t id_at(const struct sequence_on *q, int pos)
{
    uint32_t x = (uint32_t)pos * 2654435761u;
    return (int32_t)((x ^ x >> 15) % (uint32_t)q->n_vocab);
}

static void begin(struct sequence_on *q, struct backend *b, const struct config *c)
{
    struct phi3v_error err;
    int n = (n_tokens + KV_BLOCK - 1) / KV_BLOCK, *ids = mem_array((size_t)n, sizeof *ids);
    *q = (struct sequence_on){.b = b, .n_blocks = n, .n_vocab = c->n_vocab};
    q->blocks = mem_array((size_t)n, sizeof *q->blocks);
    if (b->table->state_new(b, &q->s, &err)) fail_msg("%s", err.text);
    if (b->table->kv_alloc(b, n, ids, &err)) fail_msg("%s", err.text);
    assert_true(n % STRIDE != 0);
    for (int i = 0; i < n; i++) q->blocks[i] = ids[(int64_t)i * STRIDE % n];
    mem_free(ids);
}

static void end(struct sequence_on *q)
{
    q->b->table->kv_free(q->b, q->blocks, q->n_blocks);
    q->b->table->state_free(q->s);
    q->b->table->close(q->b);
    mem_free(q->blocks);
}

/* Rows first … first + n - 1, and the logits of those listed. */
static void rows_run(struct sequence_on *q, int first, int n, const int *wanted, int n_wanted,
                     float *logits)
{
    struct phi3v_error err;
    struct prompt_row *rows = mem_array((size_t)n, sizeof *rows);
    for (int i = 0; i < n; i++) rows[i] = (struct prompt_row){.id = id_at(q, first + i)};
    struct batch_seq seq = {.rows = rows,
                            .n_rows = n,
                            .first_pos = first,
                            .blocks = q->blocks,
                            .rope_factors = ROPE_LONG_FACTORS};
    struct batch batch = {.seqs = &seq,
                          .n_seqs = 1,
                          .logit_rows = wanted,
                          .n_logit_rows = n_wanted,
                          .logits = logits};
    if (q->b->table->forward(q->s, &batch, &err)) fail_msg("%s", err.text);
    mem_free(rows);
}

static void step_run(struct sequence_on *q, int pos, float *logits)
{
    rows_run(q, pos, 1, &(int){0}, 1, logits);
}

/* Rows of n_vocab logits. Where two keys weigh about the same, roundings of their scores decide: of
 * 208 rows a few differ by a tenth or two of themselves, all by some hundredths in the mean. With
 * another key a row is another one: planted faults gave 0.66 and more. */
static void assert_near(const char *what, const float *got, const float *want, int n_rows, int n,
                        double most, double most_mean)
{
    double worst = 0, sum = 0;
    for (int i = 0; i < n_rows; i++) {
        size_t at = (size_t)i * (size_t)n;
        double d = passes_distance(got + at, want + at, (size_t)n);
        if (!(d <= worst)) worst = d;
        sum += d;
    }
    print_message("# %s, %d tokens: %d rows differ by %.4f, at most %.4f\n", what, n_tokens, n_rows,
                  sum / n_rows, worst);
    assert_true(worst < most && sum / n_rows < most_mean);
}

/* -- Against the CPU --------------------------------------------------------------------------- */

/* Logits of rows all over the prompt, then of the steps behind it: returns how many. */
static int prompt_and_steps(struct backend *b, const struct config *c, float *logits)
{
    struct sequence_on q;
    int n = n_tokens - N_STEPS, wanted[MOST_PROBES];
    begin(&q, b, c);
    for (int i = 0; i < MOST_PROBES; i++)
        wanted[i] = (int)((int64_t)i * (n - 1) / (MOST_PROBES - 1));
    rows_run(&q, 0, n, wanted, MOST_PROBES, logits);
    for (int i = 0; i < N_STEPS; i++)
        step_run(&q, n + i, logits + (size_t)(MOST_PROBES + i) * (size_t)c->n_vocab);
    end(&q);
    return MOST_PROBES + N_STEPS;
}

static void agrees_with_the_cpu(void **state)
{
    (void)state;
    struct passes_model m;
    open_sharp(&m, long_config());
    size_t n = (size_t)(MOST_PROBES + N_STEPS) * (size_t)m.config.n_vocab;
    float *want = mem_array(n, sizeof *want), *got = mem_array(n, sizeof *got);
    int n_rows = prompt_and_steps(passes_cpu(&m), &m.config, want);
    prompt_and_steps(passes_gpu(&m, KV_BF16), &m.config, got);
    assert_near("bf16 against the CPU", got, want, n_rows, m.config.n_vocab, 0.4, 0.05);
    prompt_and_steps(passes_gpu(&m, KV_Q8), &m.config, got);
    assert_near("q8 against the CPU", got, want, n_rows, m.config.n_vocab, 0.5, 0.1);
    mem_free(want);
    mem_free(got);
    passes_close(&m);
}

/* -- Against itself ---------------------------------------------------------------------------- */

struct heard {
    int32_t ids[N_STEPS];
    int n;
};

static int hear(void *user, int i, int32_t id)
{
    struct heard *h = user;
    assert_int_equal(i, 0);
    h->ids[h->n++] = id;
    return 0;
}

static int32_t likeliest(const float *logits, int n)
{
    int best = 0;
    for (int i = 1; i < n; i++)
        if (logits[i] > logits[best]) best = i;
    return best;
}

/* The token behind each step that takes the token before. */
static void assert_answer(struct sequence_on *q, int first, float *logits)
{
    struct draw plain = {.top_p = 1, .repetition_penalty = 1};
    unsigned char *seen = mem_zalloc((size_t)q->n_vocab);
    struct decode_seq seq = {.id = id_at(q, first),
                             .pos = first,
                             .blocks = q->blocks,
                             .rope_factors = ROPE_LONG_FACTORS,
                             .draw = &plain,
                             .seen = seen};
    struct heard h = {0};
    struct phi3v_error err;
    if (q->b->table->decode(q->s, &seq, 1, N_STEPS, hear, &h, &err)) fail_msg("%s", err.text);
    assert_int_equal(h.n, N_STEPS);
    for (int i = 0; i < N_STEPS; i++) {
        struct prompt_row row = {.id = i ? h.ids[i - 1] : seq.id};
        struct batch_seq of = {&row, 1, first + i, q->blocks, ROPE_LONG_FACTORS};
        struct batch batch = {
            .seqs = &of, .n_seqs = 1, .logit_rows = &(int){0}, .n_logit_rows = 1, .logits = logits};
        if (q->b->table->forward(q->s, &batch, &err)) fail_msg("%s", err.text);
        assert_int_equal(h.ids[i], likeliest(logits, q->n_vocab));
    }
    mem_free(seen);
}

static void assert_steps_as_prompt(const struct passes_model *m, enum kv_type kv, const char *what)
{
    struct sequence_on q;
    int first = n_tokens - N_STEPS, n = m->config.n_vocab, wanted[N_STEPS];
    size_t size = (size_t)N_STEPS * (size_t)n;
    float *prompt = mem_array(size, sizeof *prompt), *steps = mem_array(size, sizeof *steps);
    begin(&q, passes_gpu(m, kv), &m->config);
    for (int i = 0; i < N_STEPS; i++) wanted[i] = first + i;
    rows_run(&q, 0, n_tokens, wanted, N_STEPS, prompt);
    for (int i = 0; i < N_STEPS; i++) step_run(&q, first + i, steps + (size_t)i * (size_t)n);
    assert_near(what, steps, prompt, N_STEPS, n, 0.4, 0.1);
    assert_answer(&q, first, steps);
    end(&q);
    mem_free(prompt);
    mem_free(steps);
}

static void steps_are_as_the_prompt(void **state)
{
    (void)state;
    struct passes_model m;
    open_sharp(&m, wide_config());
    assert_steps_as_prompt(&m, KV_BF16, "bf16, steps against a prompt");
    assert_steps_as_prompt(&m, KV_Q8, "q8, steps against a prompt");
    passes_close(&m);
}

int main(int argc, char **argv)
{
    if (argc > 1) n_tokens = atoi(argv[1]);
    wide = argc > 2;
    if (n_tokens < MOST_PROBES + N_STEPS || n_tokens > 131072) return 2;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agrees_with_the_cpu),
        cmocka_unit_test(steps_are_as_the_prompt),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
