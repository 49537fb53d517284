/* SPDX-License-Identifier: MIT */
#include "passes.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#include "base/mem.h"

enum { N_TEXT = 21 };

void passes_open(struct passes_model *m, const struct config *c, enum weights_form form,
                 int n_threads)
{
    struct phi3v_error err;
    m->config = *c;
    if (pool_new(n_threads, &m->pool, &err)) fail_msg("%s", err.text);
    if (model_weights_synthetic(c, form, m->pool, &m->weights, &err)) fail_msg("%s", err.text);
}

void passes_close(struct passes_model *m)
{
    model_weights_fini(&m->weights);
    pool_free(m->pool);
}

struct backend *passes_cpu(const struct passes_model *m)
{
    struct backend *b;
    struct phi3v_error err;
    if (backend_cpu_open(&m->config, &m->weights, m->pool, KV_F32, &b, &err))
        fail_msg("%s", err.text);
    return b;
}

struct backend *passes_gpu(const struct passes_model *m, enum kv_type kv)
{
    struct backend *b;
    struct phi3v_error err;
    if (backend_cuda_open("cuda", &m->config, &m->weights, kv, &b, &err)) fail_msg("%s", err.text);
    return b;
}

struct crops passes_crops(const struct config *c, int rows, int cols)
{
    int side = c->vision.image_size, n_crops = 1 + rows * cols;
    size_t n = (size_t)n_crops * 3 * (size_t)side * (size_t)side;
    struct crops crops = {.plan = {.crop_side = side, .rows = rows, .cols = cols}, .n = n_crops};
    crops.data = mem_array(n, sizeof *crops.data);
    for (size_t i = 0; i < n; i++) crops.data[i] = sinf((float)i * 0.37f);
    return crops;
}

/* -- A sequence of everything ------------------------------------------------------------------ */

struct drawn {
    int32_t *ids;
    int n;
};

static int keep_id(void *user, int i, int32_t id)
{
    struct drawn *d = user;
    (void)i;
    d->ids[d->n++] = id;
    return 0;
}

static void draw(struct backend *b, struct backend_state *s, const struct config *c,
                 struct decode_seq seq, int32_t *ids)
{
    struct draw how = {1.2f, 60, 0.95f, 0.001f, 1.1f, {1, 2, 3, 4}};
    struct drawn drawn = {.ids = ids};
    struct phi3v_error err;
    unsigned char *seen = mem_zalloc((size_t)c->n_vocab);
    for (int i = 0; i < c->n_vocab; i += 3) seen[i] = 1;
    seq.draw = &how;
    seq.seen = seen;
    if (b->table->decode(s, &seq, 1, PASSES_DRAWN, keep_id, &drawn, &err)) fail_msg("%s", err.text);
    assert_int_equal(drawn.n, PASSES_DRAWN);
    mem_free(seen);
}

void passes_run(struct backend *b, const struct config *c, float *logits, int32_t *ids)
{
    const struct backend_table *t = b->table;
    struct backend_state *s;
    struct features *f = NULL;
    struct phi3v_error err;
    struct prompt_row rows[1000];
    int blocks[1100 / KV_BLOCK + 1], n = 0;
    struct crops crops = passes_crops(c, 1, 1);
    struct crop_source source = crops_ready(&crops);
    if (t->state_new(b, &s, &err)) fail_msg("%s", err.text);
    if (t->encode(s, &source, NULL, NULL, &f, &err)) fail_msg("%s", err.text);
    for (int i = 0; i < N_TEXT; i++) rows[n++] = (struct prompt_row){.id = i * 7 % c->n_vocab};
    assert_true(n + t->features_rows(f) <= (int)(sizeof rows / sizeof *rows));
    for (int i = 0; i < t->features_rows(f); i++)
        rows[n++] = (struct prompt_row){.features = f, .feature_row = i};
    int all = n + PASSES_STEPS + PASSES_DRAWN, last = n - 1, only = 0;
    int n_blocks = (all + KV_BLOCK - 1) / KV_BLOCK;
    if (t->kv_alloc(b, n_blocks, blocks, &err)) fail_msg("%s", err.text);
    enum rope_factors rope_factors =
        all > c->original_max_positions ? ROPE_LONG_FACTORS : ROPE_SHORT_FACTORS;
    for (int i = 0; i <= PASSES_STEPS; i++) {
        struct prompt_row step = {.id = (i * 31 + 5) % c->n_vocab};
        struct batch_seq seq = {.rows = i ? &step : rows,
                                .n_rows = i ? 1 : n,
                                .first_pos = i ? n + i - 1 : 0,
                                .blocks = blocks,
                                .rope_factors = rope_factors};
        struct batch batch = {.seqs = &seq,
                              .n_seqs = 1,
                              .logit_rows = i ? &only : &last,
                              .n_logit_rows = 1,
                              .logits = logits + (size_t)i * (size_t)c->n_vocab};
        if (t->forward(s, &batch, &err)) fail_msg("%s", err.text);
    }
    if (ids) {
        struct decode_seq seq = {
            .id = 7, .pos = n + PASSES_STEPS, .blocks = blocks, .rope_factors = rope_factors};
        draw(b, s, c, seq, ids);
    }
    t->kv_free(b, blocks, n_blocks);
    t->features_free(f);
    t->state_free(s);
    mem_free(crops.data);
}

double passes_distance(const float *a, const float *b, size_t n)
{
    double squares = 0, own = 0;
    for (size_t i = 0; i < n; i++) {
        squares += pow((double)a[i] - (double)b[i], 2);
        own += pow((double)b[i], 2);
    }
    return sqrt(squares / own);
}
