/* SPDX-License-Identifier: MIT
 * Random checkpoints of odd sizes (few dimensions are multiples of 16): a picture, a prompt, and
 * steps behind it, on the GPU against the CPU. Sizes and weights come from a seed. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"
#include "passes.h"

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

/* The same weights on both sides, in the form named; the CPU computes in f32 where they are not
 * packed. */
static double gpu_from_cpu(uint32_t seed, enum weights_form form, enum kv_type kv)
{
    struct config c;
    struct passes_model m;
    odd_config(seed, &c);
    if (form == FORM_Q4) c.n_layers = 5; // the fifth is the first that has nothing but 4 bits
    passes_open(&m, &c, form, 1);
    struct backend *cpu = passes_cpu(&m), *gpu = passes_gpu(&m, kv);
    size_t n = (1 + PASSES_STEPS) * (size_t)c.n_vocab;
    float *want = mem_array(n, sizeof *want), *got = mem_array(n, sizeof *got);
    const char *dtype = form == FORM_Q4 ? "q4" : form == FORM_Q8 ? "q8" : "bf16";
    assert_string_equal(gpu->table->dtype(gpu), dtype);
    passes_run(cpu, &c, want, NULL);
    passes_run(gpu, &c, got, NULL);
    double d = passes_distance(got, want, n);
    print_message("# seed %u, form %d, kv %d: %d x %d, heads %d/%d of %d, MLP %d, tower %d x %d: "
                  "%.4f\n",
                  seed, form, kv, c.hidden, c.n_vocab, c.n_heads, c.n_kv_heads, c.head_dim,
                  c.intermediate, c.vision.hidden, c.vision.intermediate, d);
    mem_free(want);
    mem_free(got);
    gpu->table->close(gpu);
    cpu->table->close(cpu);
    passes_close(&m);
    return d;
}

/* bf16 activations: 2 % of the spread (tests/golden/data/README.md). */
static void bf16_agrees_with_f32(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 6; seed++)
        assert_true(gpu_from_cpu(seed, FORM_F32, KV_BF16) < 0.02);
}

/* The CPU rounds activations to 8 bits in every product, the GPU in steps. Of 32 normal values the
 * largest is about 2.1 times their spread s, so the unit is some 2.1 s / 90 and the error its share
 * 1 / sqrt(12): 0.7 % a product. Some 20 products follow each other from pixels to logits, 32 with
 * the layers of q4: 3 to 4 % if they add up as random numbers do; 8 % is another matrix, not
 * another rounding. */
static void packed_agrees_with_packed(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 4; seed++) {
        assert_true(gpu_from_cpu(seed, FORM_Q8, KV_BF16) < 0.08);
        assert_true(gpu_from_cpu(seed, FORM_Q4, KV_Q8) < 0.08);
    }
}

static void kv_q8_agrees(void **state)
{
    (void)state;
    for (uint32_t seed = 1; seed <= 4; seed++)
        assert_true(gpu_from_cpu(seed, FORM_F32, KV_Q8) < 0.04);
}

/* -- Groups of crops --------------------------------------------------------------------------- */

struct wanted { // a tensor of a trace
    const char *name;
    float *x;
    size_t n;
};

static int keep(const char *name, int n_dims, const int64_t *shape, const float *data, void *user)
{
    struct wanted *w = user;
    if (strcmp(name, w->name) != 0) return 0;
    w->n = 1;
    for (int i = 0; i < n_dims; i++) w->n *= (size_t)shape[i];
    w->x = mem_array(w->n, sizeof *w->x);
    memcpy(w->x, data, w->n * sizeof *w->x);
    return 0;
}

/* The features as a prompt of nothing else meets them. */
static struct wanted embedded(struct backend *b, struct backend_state *s, const struct features *f)
{
    struct wanted w = {.name = "inputs_embeds"};
    struct trace trace = {keep, &w};
    struct prompt_row rows[1000];
    struct phi3v_error err;
    int blocks[1000 / KV_BLOCK + 1], n = b->table->features_rows(f);
    int n_blocks = (n + KV_BLOCK - 1) / KV_BLOCK;
    for (int i = 0; i < n; i++) rows[i] = (struct prompt_row){.features = f, .feature_row = i};
    if (b->table->kv_alloc(b, n_blocks, blocks, &err)) fail_msg("%s", err.text);
    struct batch_seq seq = {.rows = rows, .n_rows = n, .blocks = blocks};
    struct batch batch = {.seqs = &seq, .n_seqs = 1, .trace = &trace};
    if (b->table->forward(s, &batch, &err)) fail_msg("%s", err.text);
    b->table->kv_free(b, blocks, n_blocks);
    return w;
}

/* A session for each grid: the emulated GPU makes the two streams of each run differently
 * (emulate_runtime.cpp). A traced pass takes all crops at once and the global view first, any other
 * in groups, two of them on their way while a third is being computed. Products may choose by their
 * number of rows, so the last bits may differ on a GPU; a crop of another group would be another
 * picture. */
static void assert_groups(struct backend *b, const struct config *c, int rows, int cols)
{
    struct wanted at_once = {.name = "image_tokens"};
    struct trace trace = {keep, &at_once};
    struct crops crops = passes_crops(c, rows, cols);
    struct crop_source source = crops_ready(&crops);
    struct backend_state *s;
    struct features *f = NULL;
    struct phi3v_error err;
    if (b->table->state_new(b, &s, &err)) fail_msg("%s", err.text);
    if (b->table->encode(s, &source, &trace, NULL, &f, &err)) fail_msg("%s", err.text);
    b->table->features_free(f);
    for (int again = 0; again < 2; again++) {
        f = NULL;
        if (b->table->encode(s, &source, NULL, NULL, &f, &err)) fail_msg("%s", err.text);
        struct wanted grouped = embedded(b, s, f);
        assert_int_equal(grouped.n, at_once.n);
        assert_true(passes_distance(grouped.x, at_once.x, at_once.n) < 0.01);
        mem_free(grouped.x);
        b->table->features_free(f);
    }
    b->table->state_free(s);
    mem_free(at_once.x);
    mem_free(crops.data);
}

static void groups_give_what_all_give(void **state)
{
    (void)state;
    static const int grids[][2] = {{6, 2}, {13, 1}, {1, 3}, {7, 2}};
    struct config c;
    struct passes_model m;
    odd_config(5, &c); // few heads
    c.vision.image_size = 4 * c.vision.patch_size;
    c.n_layers = c.vision.n_run_layers = 1;
    passes_open(&m, &c, FORM_F32, 1);
    struct backend *gpu = passes_gpu(&m, KV_BF16);
    for (size_t i = 0; i < sizeof grids / sizeof *grids; i++)
        assert_groups(gpu, &c, grids[i][0], grids[i][1]);
    gpu->table->close(gpu);
    passes_close(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(groups_give_what_all_give),
        cmocka_unit_test(bf16_agrees_with_f32),
        cmocka_unit_test(packed_agrees_with_packed),
        cmocka_unit_test(kv_q8_agrees),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
