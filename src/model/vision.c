/* SPDX-License-Identifier: MIT */
#include "model/vision.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "base/err.h"
#include "base/mem.h"

/* Crops worked on together: enough rows to use every weight often, few enough that what goes from
 * step to step may stay in the last-level cache (9 MB a crop at the published size, and what a
 * chunk takes). A traced pass takes all crops at once, because its tensors have them all. */
enum { GROUP_CROPS = 3 };

/* The work area of a group of n crops; T tokens a crop (class token first), C wide. */
struct tower {
    const struct config *c;
    const struct model_weights *w;
    struct ops *o;
    int n, n_patches, n_tokens, width;
    int rows;  // n * T
    int chunk; // rows that go through norms and products together; traced: all
    enum kv_type kv_type;
    float *x;                // [n][T][C]: the residual stream
    float *q;                // [n][T][C]
    float *attended;         // [n][T][C]
    float *normed;           // [chunk][C]
    float *kv;               // [chunk][2C]: keys and values; then a block's output [chunk][C]
    float *mlp;              // [chunk][F]
    char **key_blocks;       // [n][blocks of T]: keys and values packed for attention, all heads
    struct attention *parts; // [n]
};

static int n_key_blocks(const struct tower *t) { return (t->n_tokens + KV_BLOCK - 1) / KV_BLOCK; }

/* false when a group's tokens cannot be counted: many traced crops of an absurd size. */
static bool tower_dims(struct tower *t, int n)
{
    int side = t->c->vision.image_size / t->c->vision.patch_size;
    if ((int64_t)n * (side * side + 1) > INT32_MAX) return false;
    t->n = n;
    t->n_patches = side * side;
    t->n_tokens = t->n_patches + 1;
    t->width = t->c->vision.hidden;
    t->rows = n * t->n_tokens;
    /* f32 arithmetic on the weights stays exact, any other may round keys and values too */
    t->kv_type = t->w->vision_layers[0].q.type <= WEIGHT_F16 ? KV_F32 : t->o->k->kv_fastest;
    return true;
}

/* Floats of the patch pixels and their products, needed before the layers begin. */
static size_t patch_floats(const struct tower *t)
{
    return (size_t)t->n * (size_t)t->n_patches * (size_t)(t->w->patch_embedding.n_in + t->width);
}

/* Keys and values of one block of tokens. */
static size_t block_bytes(const struct tower *t)
{
    const struct vision_config *v = &t->c->vision;
    return 2 * (size_t)v->n_heads * kv_packed_bytes(t->kv_type, v->head_dim);
}

static size_t packed_bytes(const struct tower *t)
{
    return (size_t)t->n * (size_t)n_key_blocks(t) * block_bytes(t);
}

static size_t layer_floats(const struct tower *t)
{
    return (size_t)t->rows * (size_t)(2 * t->width) +
           (size_t)t->chunk * (size_t)(3 * t->width + t->c->vision.intermediate);
}

static size_t tower_bytes(const struct tower *t)
{
    size_t patches = patch_floats(t) * sizeof(float);
    size_t layers = layer_floats(t) * sizeof(float) + packed_bytes(t) +
                    (size_t)t->n * (size_t)n_key_blocks(t) * sizeof(char *) +
                    (size_t)t->n * sizeof *t->parts;
    return (size_t)t->rows * (size_t)t->width * sizeof(float) +
           (patches > layers ? patches : layers) + 10 * arena_size(1);
}

/* -- Patches to tokens ------------------------------------------------------------------------ */

struct patches {
    const struct tower *t;
    const float *crops; // [n][3][side][side]
    float *pixels;      // [n][patches][3*P*P]
};

/* golden: activations/vision.patch_embed */
static void gather_patches(struct ops *o, void *arg, int begin, int end)
{
    (void)o;
    const struct patches *a = arg;
    const struct vision_config *v = &a->t->c->vision;
    int per_side = v->image_size / v->patch_size;
    size_t plane = (size_t)v->image_size * (size_t)v->image_size;
    for (int i = begin; i < end; i++) {
        int patch = i % a->t->n_patches;
        size_t corner = (size_t)(patch / per_side) * v->patch_size * v->image_size +
                        (size_t)(patch % per_side) * v->patch_size;
        const float *crop = a->crops + (size_t)(i / a->t->n_patches) * 3 * plane;
        float *to = a->pixels + (size_t)i * a->t->w->patch_embedding.n_in;
        for (int channel = 0; channel < 3; channel++)
            for (int y = 0; y < v->patch_size; y++, to += v->patch_size)
                memcpy(to, crop + channel * plane + corner + (size_t)y * v->image_size,
                       (size_t)v->patch_size * sizeof *to);
    }
}

/* Class token, patches, positions. embedded: [n][patches][C]. */
static void assemble_tokens(const struct tower *t, const float *embedded)
{
    size_t width = (size_t)t->width;
    for (int crop = 0; crop < t->n; crop++) {
        float *x = t->x + (size_t)crop * t->n_tokens * width;
        memcpy(x, t->w->class_embedding.data, width * sizeof *x);
        memcpy(x + width, embedded + (size_t)crop * t->n_patches * width,
               (size_t)t->n_patches * width * sizeof *x);
        t->o->k->add(x, t->w->position_embedding.data, (int64_t)t->n_tokens * t->width);
    }
}

static void embed_patches(const struct tower *t, struct arena *a, const float *crops)
{
    size_t mark = arena_mark(a);
    int rows = t->n * t->n_patches, n_in = t->w->patch_embedding.n_in;
    struct patches p = {.t = t, .crops = crops};
    p.pixels = arena_take(a, (size_t)rows * (size_t)n_in * sizeof(float));
    float *embedded = arena_take(a, (size_t)rows * (size_t)t->width * sizeof(float));
    ops_rows(t->o, rows, gather_patches, &p);
    ops_linear(t->o, &(struct linear){.w = &t->w->patch_embedding,
                                      .x = p.pixels,
                                      .x_stride = n_in,
                                      .y = embedded,
                                      .y_stride = t->width,
                                      .n_rows = rows});
    ops_trace(t->o, "vision.patch_embed", 3, (int64_t[]){t->n, t->n_patches, t->width}, embedded);
    if (!t->o->stopped) assemble_tokens(t, embedded);
    arena_release(a, mark);
}

/* -- Layers ----------------------------------------------------------------------------------- */

static void take_layer_memory(struct tower *t, struct arena *a)
{
    size_t rows = (size_t)t->rows * sizeof(float), chunk = (size_t)t->chunk * sizeof(float);
    t->q = arena_take(a, rows * (size_t)t->width);
    t->attended = arena_take(a, rows * (size_t)t->width);
    t->normed = arena_take(a, chunk * (size_t)t->width);
    t->kv = arena_take(a, chunk * 2 * (size_t)t->width);
    t->mlp = arena_take(a, chunk * (size_t)t->c->vision.intermediate);
    int blocks = n_key_blocks(t), width = t->width;
    char *packed = arena_take(a, packed_bytes(t));
    t->key_blocks = arena_take(a, (size_t)t->n * (size_t)blocks * sizeof *t->key_blocks);
    t->parts = arena_take(a, (size_t)t->n * sizeof *t->parts);
    for (int i = 0; i < t->n; i++) {
        char **keys = t->key_blocks + (size_t)i * blocks;
        for (int b = 0; b < blocks; b++, packed += block_bytes(t)) keys[b] = packed;
        memset(keys[blocks - 1], 0, block_bytes(t)); // places behind the tokens are read
        t->parts[i] = (struct attention){
            .q = t->q + (size_t)i * t->n_tokens * (size_t)width,
            .q_stride = width,
            .out = t->attended + (size_t)i * t->n_tokens * (size_t)width,
            .out_stride = width,
            .n_rows = t->n_tokens,
            .n_heads = t->c->vision.n_heads,
            .n_kv_heads = t->c->vision.n_heads,
            .head_dim = t->c->vision.head_dim,
            .n_keys = t->n_tokens,
            .kv_type = t->kv_type,
            .blocks = keys,
            .head_step = 2 * kv_packed_bytes(t->kv_type, t->c->vision.head_dim),
        };
    }
}

struct chunk {
    const struct tower *t;
    const struct vision_layer_weights *l;
    int first, n; // rows
};

static void pack_keys(struct ops *o, void *arg, int begin, int end)
{
    const struct chunk *c = arg;
    const struct tower *t = c->t;
    for (int i = begin; i < end; i++) {
        const float *k = t->kv + (size_t)i * 2 * (size_t)t->width;
        int row = c->first + i;
        const struct attention *a = &t->parts[row / t->n_tokens];
        for (int h = 0; h < a->n_kv_heads; h++, k += a->head_dim)
            ops_store(o, a, h, row % t->n_tokens, k, k + t->width);
    }
}

static float *residual(const struct chunk *c)
{
    return c->t->x + (size_t)c->first * (size_t)c->t->width;
}

static void norm_rows(const struct chunk *c, float *y, const struct vec *w, const struct vec *b)
{
    const struct tower *t = c->t;
    ops_layer_norm(t->o, y, residual(c), w->data, b->data, c->n, t->width,
                   t->c->vision.layer_norm_eps);
}

static void trace_tokens(const struct tower *t, const char *name, const float *data)
{
    ops_trace(t->o, name, 3, (int64_t[]){t->n, t->n_tokens, t->width}, data);
}

/* What attention needs of a chunk's rows: queries, packed keys and values. */
static void enter_attention(const struct chunk *c)
{
    const struct tower *t = c->t;
    int width = t->width;
    norm_rows(c, t->normed, &c->l->norm1_w, &c->l->norm1_b);
    struct linear l = {.x = t->normed, .x_stride = width, .n_rows = c->n}, q = l, k = l, v = l;
    q.w = &c->l->q, q.bias = c->l->q_b.data;
    q.y = t->q + (size_t)c->first * (size_t)width, q.y_stride = width;
    k.w = &c->l->k, k.bias = c->l->k_b.data;
    k.y = t->kv, k.y_stride = 2 * width;
    v.w = &c->l->v, v.bias = c->l->v_b.data;
    v.y = t->kv + width, v.y_stride = 2 * width;
    ops_linears(t->o, (struct linear[]){q, k, v}, 3);
    ops_rows(t->o, c->n, pack_keys, (void *)c);
}

static void leave_attention(const struct chunk *c)
{
    const struct tower *t = c->t;
    ops_linear(t->o, &(struct linear){.w = &c->l->out,
                                      .bias = c->l->out_b.data,
                                      .x = t->attended + (size_t)c->first * (size_t)t->width,
                                      .x_stride = t->width,
                                      .y = t->kv,
                                      .y_stride = t->width,
                                      .n_rows = c->n,
                                      .then = THEN_ADD,
                                      .to = residual(c)});
}

static void mlp_block(const struct chunk *c)
{
    const struct tower *t = c->t;
    int f = t->c->vision.intermediate;
    norm_rows(c, t->normed, &c->l->norm2_w, &c->l->norm2_b);
    ops_linear(t->o, &(struct linear){.w = &c->l->fc1,
                                      .bias = c->l->fc1_b.data,
                                      .x = t->normed,
                                      .x_stride = t->width,
                                      .y = t->mlp,
                                      .y_stride = f,
                                      .n_rows = c->n,
                                      .then = THEN_QUICK_GELU});
    ops_linear(t->o, &(struct linear){.w = &c->l->fc2,
                                      .bias = c->l->fc2_b.data,
                                      .x = t->mlp,
                                      .x_stride = f,
                                      .y = t->kv,
                                      .y_stride = t->width,
                                      .n_rows = c->n,
                                      .then = THEN_ADD,
                                      .to = residual(c)});
}

static int chunk_rows(const struct tower *t, int first)
{
    return t->rows - first < t->chunk ? t->rows - first : t->chunk;
}

/* Chunk after chunk, so that what its steps hand on is still in the cache. */
static void run_layer(const struct tower *t, int layer)
{
    struct chunk c = {.t = t, .l = &t->w->vision_layers[layer]};
    for (c.first = 0; c.first < t->rows; c.first += c.n) {
        c.n = chunk_rows(t, c.first);
        enter_attention(&c);
    }
    ops_attend(t->o, t->parts, t->n);
    for (c.first = 0; c.first < t->rows; c.first += c.n) {
        c.n = chunk_rows(t, c.first);
        leave_attention(&c);
        if (layer == 0) trace_tokens(t, "vision.layer.0.attn", t->kv); // traced: one chunk
        mlp_block(&c);
    }
}

/* crops: [n][3][side][side], first_crop of the picture onwards; leaves the last layer's output in
 * x. */
static void run_tower(struct tower *t, struct arena *a, const float *crops, int first_crop)
{
    t->x = arena_take(a, (size_t)t->rows * (size_t)t->width * sizeof(float));
    embed_patches(t, a, crops);
    take_layer_memory(t, a);
    struct chunk all = {.t = t, .n = t->rows};
    norm_rows(&all, t->x, &t->w->pre_norm_w, &t->w->pre_norm_b);
    trace_tokens(t, "vision.pre_layernorm", t->x);
    for (int i = 0; i < t->c->vision.n_run_layers && !t->o->stopped; i++) {
        char name[64];
        run_layer(t, i);
        snprintf(name, sizeof name, "vision.layer.%d", i);
        trace_tokens(t, name, t->x);
        ops_progress(t->o, first_crop + (int64_t)t->n * (i + 1) / t->c->vision.n_run_layers);
    }
}

/* -- A picture -------------------------------------------------------------------------------- */

/* All crops through the tower, group by group, into merged. */
static int encode_crops(struct tower *t, const struct crop_source *crops, float *merged,
                        struct phi3v_error *err)
{
    int group = t->o->trace || crops->n < GROUP_CROPS ? crops->n : GROUP_CROPS;
    size_t crop_floats = 3 * (size_t)crops->plan.crop_side * (size_t)crops->plan.crop_side;
    struct arena a;
    size_t bytes = SIZE_MAX;
    if (tower_dims(t, group)) {
        t->chunk = t->o->trace ? t->rows : ops_linear_rows(t->rows);
        bytes = tower_bytes(t);
    }
    CLEANUP(mem_free_ptr)
    float *pixels = mem_array((size_t)group * crop_floats, sizeof *pixels);
    if (!pixels || arena_init(&a, bytes)) return err_memory(err, "the vision tower", bytes);
    int rc = 0;
    for (int first = 0; first < crops->n && !t->o->stopped; first += group) {
        tower_dims(t, crops->n - first < group ? crops->n - first : group);
        rc = crops->make(crops->user, first, t->n, pixels, err);
        if (rc) break;
        run_tower(t, &a, pixels, first);
        project_merge(t->c, &crops->plan, t->x, first, t->n, merged);
        arena_release(&a, 0);
    }
    arena_fini(&a);
    return rc ? rc : ops_end(t->o, err);
}

int vision_encode(const struct config *c, const struct model_weights *w, struct ops *o,
                  const struct crop_source *crops, struct features **ret, struct phi3v_error *err)
{
    int n_rows = config_image_tokens(c, crops->plan.rows, crops->plan.cols), n_in = w->proj0.n_in;
    CLEANUP(mem_free_ptr) float *merged = mem_array((size_t)n_rows * (size_t)n_in, sizeof *merged);
    CLEANUP(mem_free_ptr)
    float *hidden = mem_array((size_t)n_rows * (size_t)c->hidden, sizeof *hidden);
    if (!merged || !hidden)
        return err_memory(err, "picture features",
                          (size_t)n_rows * (size_t)(n_in + c->hidden) * sizeof(float));
    struct tower t = {.c = c, .w = w, .o = o};
    int rc = encode_crops(&t, crops, merged, err);
    if (rc) return rc;
    project_separators(c, w, &crops->plan, merged);
    ops_trace(o, "merged_features", 2, (int64_t[]){n_rows, n_in}, merged);
    struct features *f;
    rc = project_features_new(n_rows, c->hidden, &f, err);
    if (rc) return rc;
    project_run(w, o, merged, hidden, f);
    rc = ops_end(o, err);
    if (rc)
        project_features_free(f);
    else
        *ret = f;
    return rc;
}
