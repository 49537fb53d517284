/* SPDX-License-Identifier: MIT */
#include "one_pass.h"

#include <stdlib.h>

#include "backend/backend.h"
#include "base/mem.h"
#include "base/pool.h"
#include "image/image.h"

enum { PICTURE_W = 9, PICTURE_H = 5, MAX_GRID = 4 };

int one_pass_is_small(const struct config *c)
{
    const struct vision_config *v = &c->vision;
    int side = v->image_size / v->patch_size;
    return c->hidden <= 256 && c->intermediate <= 512 && c->n_layers <= 4 && c->n_vocab <= 4096 &&
           c->max_positions <= 1 << 17 && v->hidden <= 256 && v->intermediate <= 512 &&
           v->n_layers <= 4 && v->image_size <= 64 && side * side <= 64;
}

/* Only memory may be missing. */
static void expect(int code)
{
    if (code && code != PHI3V_E_MEMORY) abort();
}

static int encode(struct backend *b, struct backend_state *s, const struct config *c,
                  struct features **ret)
{
    static uint8_t rgb[PICTURE_W * PICTURE_H * 3];
    struct pixels pixels = {.width = PICTURE_W, .height = PICTURE_H, .rgb = rgb};
    struct crop_plan plan;
    struct crops crops = {0};
    for (size_t i = 0; i < sizeof rgb; i++) rgb[i] = (uint8_t)(i * 37);
    int num_crops = c->num_crops < MAX_GRID ? c->num_crops : MAX_GRID;
    int code = crops_plan(PICTURE_W, PICTURE_H, num_crops, c->vision.image_size, &plan, NULL);
    if (code == PHI3V_E_IMAGE) return code; // too thin for such a crop side
    if (!code) code = crops_make(&pixels, &plan, c->image_mean, c->image_std, &crops, NULL);
    struct crop_source source = crops_ready(&crops);
    *ret = NULL;
    if (!code) code = b->table->encode(s, &source, NULL, NULL, ret, NULL);
    if (code && *ret) b->table->features_free(*ret);
    mem_free(crops.data);
    expect(code);
    if (!code && b->table->features_rows(*ret) != config_image_tokens(c, plan.rows, plan.cols))
        abort();
    return code;
}

static int forward(struct backend *b, struct backend_state *s, const struct config *c,
                   const struct features *f)
{
    int n = b->table->features_rows(f) + 1, n_blocks = (n + KV_BLOCK - 1) / KV_BLOCK;
    struct prompt_row *rows = mem_zarray((size_t)n, sizeof *rows);
    int *blocks = mem_array((size_t)n_blocks, sizeof *blocks);
    float *logits = mem_array((size_t)c->n_vocab, sizeof *logits);
    int code =
        rows && blocks && logits ? b->table->kv_alloc(b, n_blocks, blocks, NULL) : PHI3V_E_MEMORY;
    if (!code) {
        for (int i = 0; i < n - 1; i++)
            rows[i] = (struct prompt_row){.id = -1, .feature_row = i, .features = f};
        rows[n - 1].id = c->n_vocab - 1;
        struct batch_seq seq = {.rows = rows, .n_rows = n, .blocks = blocks};
        seq.rope_factors = n > c->original_max_positions ? ROPE_LONG_FACTORS : ROPE_SHORT_FACTORS;
        struct batch batch = {.seqs = &seq,
                              .n_seqs = 1,
                              .logit_rows = (int[]){n - 1},
                              .n_logit_rows = 1,
                              .logits = logits};
        code = b->table->forward(s, &batch, NULL);
        b->table->kv_free(b, blocks, n_blocks);
    }
    mem_free(rows);
    mem_free(blocks);
    mem_free(logits);
    return code;
}

static void run(const struct config *c, const struct model_weights *w, enum kv_type kv_type,
                struct pool *pool)
{
    struct backend *b = NULL;
    struct backend_state *s = NULL;
    struct features *f = NULL;
    int code = backend_cpu_open(c, w, pool, kv_type, &b, NULL);
    if (!code) code = b->table->state_new(b, &s, NULL);
    expect(code);
    if (!code) code = encode(b, s, c, &f);
    if (!code) {
        code = forward(b, s, c, f);
        if (code != PHI3V_E_TOO_LONG)
            expect(code); // the picture is longer than the model's longest
        b->table->features_free(f);
    }
    if (s) b->table->state_free(s);
    if (b) b->table->close(b);
}

void one_pass(const struct config *c, const struct model_weights *w, enum kv_type kv_type)
{
    struct pool *pool = NULL;
    int code = pool_new(1, &pool, NULL);
    expect(code);
    if (!code) run(c, w, kv_type, pool);
    pool_free(pool);
}

void one_pass_synthetic(const struct config *c, enum weights_form form, enum kv_type kv_type)
{
    struct pool *pool = NULL;
    struct model_weights w = {0};
    int code = pool_new(1, &pool, NULL);
    if (!code) code = model_weights_synthetic(c, form, pool, &w, NULL);
    expect(code);
    if (!code) {
        run(c, &w, kv_type, pool);
        model_weights_fini(&w);
    }
    pool_free(pool);
}
