/* SPDX-License-Identifier: MIT
 * Random checkpoints of odd sizes (few dimensions are multiples of 16): a picture, a prompt, and
 * steps behind it, on the card against the CPU. Sizes and weights come from a seed. */
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

enum { N_STEPS = 3, N_TEXT = 21 };

static uint32_t state_of_chance;

static int chance(int from, int to)
{
    state_of_chance = state_of_chance * 1664525u + 1013904223u;
    return from + (int)((state_of_chance >> 8) % (uint32_t)(to - from + 1));
}

static void odd_config(uint32_t seed, struct config *c)
{
    fixture_small_config(c);
    state_of_chance = seed;
    c->n_kv_heads = chance(1, 3);
    c->n_heads = c->n_kv_heads * chance(1, 3);
    c->head_dim = 2 * chance(3, 51);
    c->hidden = c->n_heads * c->head_dim;
    c->intermediate = chance(17, 203);
    c->n_vocab = chance(101, 499);
    c->n_layers = 2;
    c->vision.head_dim = chance(5, 40);
    c->vision.n_heads = chance(1, 3);
    c->vision.hidden = c->vision.n_heads * c->vision.head_dim;
    c->vision.intermediate = chance(7, 90);
    c->vision.patch_size = chance(2, 5);
    c->vision.image_size = c->vision.patch_size * 2 * chance(2, 4);
    for (int i = 0; i < c->head_dim / 2; i++) {
        c->rope_short[i] = 1 + 0.1f * (float)i;
        c->rope_long[i] = 1 + 0.5f * (float)i;
    }
}

/* Logits behind the prompt and behind each step: [1 + N_STEPS][n_vocab]. */
static void run(struct backend *b, const struct config *c, float *logits)
{
    const struct backend_table *t = b->table;
    struct backend_state *s;
    struct features *f;
    struct phi3v_error err;
    struct prompt_row rows[1000];
    int blocks[1000 / KV_BLOCK + 1], side = c->vision.image_size, n = 0;
    size_t n_pixels = 2 * 3 * (size_t)side * (size_t)side;
    struct crops crops = {.plan = {.crop_side = side, .rows = 1, .cols = 1}, .n = 2};
    crops.data = mem_array(n_pixels, sizeof *crops.data);
    for (size_t i = 0; i < n_pixels; i++) crops.data[i] = sinf((float)i * 0.37f);
    if (t->state_new(b, &s, &err)) fail_msg("%s", err.text);
    if (t->encode(s, &crops, NULL, NULL, &f, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < N_TEXT; i++) rows[n++] = (struct prompt_row){.id = i * 7 % c->n_vocab};
    for (int i = 0; i < t->features_rows(f); i++)
        rows[n++] = (struct prompt_row){.features = f, .feature_row = i};
    int n_blocks = (n + N_STEPS + KV_BLOCK - 1) / KV_BLOCK, last = n - 1, only = 0;
    if (t->kv_alloc(b, n_blocks, blocks, &err)) fail_msg("%s", err.text);
    enum rope_regime regime =
        n + N_STEPS > c->original_max_positions ? ROPE_LONG_FACTORS : ROPE_SHORT_FACTORS;
    for (int i = 0; i <= N_STEPS; i++) {
        struct prompt_row step = {.id = (i * 31 + 5) % c->n_vocab};
        struct batch_seq seq = {.rows = i ? &step : rows,
                                .n_rows = i ? 1 : n,
                                .first_pos = i ? n + i - 1 : 0,
                                .blocks = blocks,
                                .regime = regime};
        struct batch batch = {.seqs = &seq,
                              .n_seqs = 1,
                              .logit_rows = i ? &only : &last,
                              .n_logit_rows = 1,
                              .logits = logits + (size_t)i * (size_t)c->n_vocab};
        if (t->forward(s, &batch, &err)) fail_msg("%s", err.text);
    }
    t->kv_free(b, blocks, n_blocks);
    t->features_free(f);
    t->state_free(s);
    mem_free(crops.data);
}

/* Root mean square of the difference, as a share of the logits' own. */
static double distance(const float *a, const float *b, size_t n)
{
    double squares = 0, own = 0;
    for (size_t i = 0; i < n; i++) {
        squares += pow((double)a[i] - (double)b[i], 2);
        own += pow((double)b[i], 2);
    }
    return sqrt(squares / own);
}

/* The same weights on both sides, in the form named; the CPU computes in f32 where they are not
 * packed. */
static double card_from_cpu(uint32_t seed, enum weights_form form, enum kv_type kv)
{
    struct config c;
    struct model_weights w;
    struct pool *pool;
    struct backend *cpu, *card;
    struct phi3v_error err;
    odd_config(seed, &c);
    assert_int_equal(pool_new(1, &pool, &err), 0);
    if (model_weights_synthetic(&c, form, pool, &w, &err)) fail_msg("%s", err.text);
    if (backend_cpu_open(&c, &w, pool, KV_F32, &cpu, &err)) fail_msg("%s", err.text);
    if (backend_cuda_open("cuda", &c, &w, kv, &card, &err)) fail_msg("%s", err.text);
    size_t n = (1 + N_STEPS) * (size_t)c.n_vocab;
    float *want = mem_array(n, sizeof *want), *got = mem_array(n, sizeof *got);
    run(cpu, &c, want);
    run(card, &c, got);
    double d = distance(got, want, n);
    print_message("# seed %u, form %d, kv %d: %d x %d, heads %d/%d of %d, MLP %d, tower %d x %d: "
                  "%.4f\n",
                  seed, form, kv, c.hidden, c.n_vocab, c.n_heads, c.n_kv_heads, c.head_dim,
                  c.intermediate, c.vision.hidden, c.vision.intermediate, d);
    mem_free(want);
    mem_free(got);
    card->table->close(card);
    cpu->table->close(cpu);
    model_weights_fini(&w);
    pool_free(pool);
    return d;
}

/* bf16 activations: 2 % of the spread (goldens/README.md). */
static void bf16_agrees_with_f32(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++)
        assert_true(card_from_cpu(seed, FORM_F32, KV_BF16) < 0.02);
}

/* The CPU rounds activations to 8 bits in every product, the card in steps. Of 32 normal values the
 * largest is about 2.1 times their spread s, so the unit is some 2.1 s / 90 and the error its share
 * 1 / sqrt(12): 0.7 % a product. Some 20 products follow each other from pixels to logits: 3 % if
 * they add up as random numbers do; 8 % is another matrix, not another rounding. */
static void packed_agrees_with_packed(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 4; seed++) {
        assert_true(card_from_cpu(seed, FORM_Q8, KV_BF16) < 0.08);
        assert_true(card_from_cpu(seed, FORM_Q4, KV_Q8) < 0.08);
    }
}

static void kv_q8_agrees(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 4; seed++)
        assert_true(card_from_cpu(seed, FORM_F32, KV_Q8) < 0.04);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_agrees_with_f32),
        cmocka_unit_test(packed_agrees_with_packed),
        cmocka_unit_test(kv_q8_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
