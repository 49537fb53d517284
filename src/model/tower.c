/* SPDX-License-Identifier: MIT */
#include "model/tower.h"

#include <stdio.h>
#include <string.h>

#include "base/arena.h"

enum {
    STEP_HEADS = 8, // attention of so many in a step
    LEAVE_STEPS = 3 // what follows attention, of a chunk
};

static int n_key_blocks(const struct tower *t) { return (t->n_tokens + KV_BLOCK - 1) / KV_BLOCK; }

bool tower_init(struct tower *t, const struct config *c, const struct model_weights *w,
                const struct ops *o, int n)
{
    int side = c->vision.image_size / c->vision.patch_size;
    *t = (struct tower){.c = c, .w = w, .n = n};
    if ((int64_t)n * (side * side + 1) > INT32_MAX) return false;
    t->n_patches = side * side;
    t->n_tokens = t->n_patches + 1;
    t->width = c->vision.hidden;
    t->rows = n * t->n_tokens;
    t->chunk = o->trace ? t->rows : ops_linear_rows(o, t->rows);
    t->stride = o->trace ? t->width : ops_row_stride(t->width); // traced: without gaps
    t->mlp_stride = ops_row_stride(c->vision.intermediate);
    /* f32 arithmetic on the weights stays exact, any other may round keys and values too */
    t->kv_type = w->vision_layers[0].q.type <= WEIGHT_F16 ? KV_F32 : o->k->kv_fastest;
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
    return (size_t)t->rows * (size_t)(t->stride + t->width) +
           (size_t)t->chunk * (size_t)(t->width + 2 * t->stride + t->mlp_stride);
}

size_t tower_bytes(const struct tower *t)
{
    size_t patches = patch_floats(t) * sizeof(float);
    size_t layers = layer_floats(t) * sizeof(float) + packed_bytes(t) +
                    (size_t)t->n * (size_t)n_key_blocks(t) * sizeof(char *) +
                    2 * (size_t)t->n * sizeof *t->parts;
    return (size_t)t->rows * (size_t)t->width * sizeof(float) +
           (patches > layers ? patches : layers) + 12 * arena_size(1);
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
static void assemble_tokens(const struct tower *t, struct ops *o, const float *embedded)
{
    size_t width = (size_t)t->width;
    for (int crop = 0; crop < t->n; crop++) {
        float *x = t->x + (size_t)crop * t->n_tokens * width;
        memcpy(x, t->w->class_embedding.data, width * sizeof *x);
        memcpy(x + width, embedded + (size_t)crop * t->n_patches * width,
               (size_t)t->n_patches * width * sizeof *x);
        o->k->add(x, t->w->position_embedding.data, (int64_t)t->n_tokens * t->width);
    }
}

static void embed_patches(const struct tower *t, struct ops *o, struct arena *a, const float *crops)
{
    size_t mark = arena_mark(a);
    int rows = t->n * t->n_patches, n_in = t->w->patch_embedding.n_in;
    struct patches p = {.t = t, .crops = crops};
    p.pixels = arena_take(a, (size_t)rows * (size_t)n_in * sizeof(float));
    float *embedded = arena_take(a, (size_t)rows * (size_t)t->width * sizeof(float));
    ops_rows(o, rows, gather_patches, &p);
    ops_linear(o, &(struct linear){.w = &t->w->patch_embedding,
                                   .x = p.pixels,
                                   .x_stride = n_in,
                                   .y = embedded,
                                   .y_stride = t->width,
                                   .n_rows = rows});
    ops_trace(o, "vision.patch_embed", 3, (int64_t[]){t->n, t->n_patches, t->width}, embedded);
    if (!o->stopped) assemble_tokens(t, o, embedded);
    arena_release(a, mark);
}

static void trace_tokens(const struct tower *t, struct ops *o, const char *name, const float *data)
{
    ops_trace(o, name, 3, (int64_t[]){t->n, t->n_tokens, t->width}, data);
}

static struct norm norm_of(const struct tower *t, const struct vec *w, const struct vec *b)
{
    return (struct norm){
        .w = w->data, .b = b->data, .eps = t->c->vision.layer_norm_eps, .room = t->normed};
}

/* Attention within crop i. */
static struct attention describe_crop(const struct tower *t, int i, char **keys)
{
    const struct vision_config *v = &t->c->vision;
    return (struct attention){
        .q = t->q + (int64_t)i * t->n_tokens * t->stride,
        .q_stride = t->stride,
        .out = t->attended + (int64_t)i * t->n_tokens * t->width,
        .out_stride = t->width,
        .n_rows = t->n_tokens,
        .n_heads = v->n_heads,
        .n_kv_heads = v->n_heads,
        .head_dim = v->head_dim,
        .n_keys = t->n_tokens,
        .kv_type = t->kv_type,
        .blocks = keys,
        .head_step = 2 * kv_packed_bytes(t->kv_type, v->head_dim),
    };
}

static void take_layer_memory(struct tower *t, struct arena *a)
{
    size_t rows = (size_t)t->rows * sizeof(float), chunk = (size_t)t->chunk * sizeof(float);
    t->q = arena_take(a, rows * (size_t)t->stride);
    t->attended = arena_take(a, rows * (size_t)t->width);
    t->normed = arena_take(a, chunk * (size_t)t->width);
    for (int i = 0; i < 2; i++) t->y[i] = arena_take(a, chunk * (size_t)t->stride);
    t->mlp = arena_take(a, chunk * (size_t)t->mlp_stride);
    const int blocks = n_key_blocks(t);
    char *packed = arena_take(a, packed_bytes(t));
    char **keys = arena_take(a, (size_t)t->n * (size_t)blocks * sizeof *keys);
    t->parts = arena_take(a, (size_t)t->n * sizeof *t->parts);
    t->head_parts = arena_take(a, (size_t)t->n * sizeof *t->head_parts);
    for (int i = 0; i < t->n; i++, keys += blocks) {
        for (int b = 0; b < blocks; b++, packed += block_bytes(t)) keys[b] = packed;
        memset(keys[blocks - 1], 0, block_bytes(t)); // places behind the tokens are read
        t->parts[i] = describe_crop(t, i, keys);
    }
}

void tower_enter(struct tower *t, struct ops *o, struct arena *a, const float *crops)
{
    t->x = arena_take(a, (size_t)t->rows * (size_t)t->width * sizeof(float));
    embed_patches(t, o, a, crops);
    take_layer_memory(t, a);
    const struct norm norm = norm_of(t, &t->w->pre_norm_w, &t->w->pre_norm_b);
    ops_norm(o, &norm, t->x, t->x, t->rows, t->width);
    trace_tokens(t, o, "vision.pre_layernorm", t->x);
}

/* -- Layers ----------------------------------------------------------------------------------- */

/* Rows on their way through a layer. */
struct chunk {
    const struct tower *t;
    struct ops *o;
    const struct vision_layer_weights *l;
    int first, n;
};

static float *residual(const struct chunk *c)
{
    return c->t->x + (size_t)c->first * (size_t)c->t->width;
}

/* Outputs that are keys, or values, go into the blocks that attention reads. */
static void store(const struct ops *o, const struct linear *l, int row, int n_rows, int col, int n,
                  bool values)
{
    const struct tower *t = l->arg;
    const int head_dim = t->c->vision.head_dim, first = l->first_row + row;
    for (int at = col; at < col + n; at += head_dim) {
        const float *y = l->y + row * l->y_stride + at;
        int crop = first / t->n_tokens, token = first % t->n_tokens;
        for (int i = 0, some; i < n_rows; i += some, y += some * l->y_stride, crop++, token = 0) {
            some = n_rows - i < t->n_tokens - token ? n_rows - i : t->n_tokens - token;
            ops_store(o, &t->parts[crop], at / head_dim, token, some, values ? NULL : y,
                      values ? y : NULL, l->y_stride);
        }
    }
}

static void store_keys(const struct ops *o, const struct linear *l, int row, int n_rows, int col,
                       int n)
{
    store(o, l, row, n_rows, col, n, false);
}

static void store_values(const struct ops *o, const struct linear *l, int row, int n_rows, int col,
                         int n)
{
    store(o, l, row, n_rows, col, n, true);
}

/* What attention needs of a chunk's rows: queries, packed keys and values. */
static void enter_attention(const struct chunk *c)
{
    const struct tower *t = c->t;
    const struct norm norm = norm_of(t, &c->l->norm1_w, &c->l->norm1_b);
    struct linear q = {.w = &c->l->q,
                       .bias = c->l->q_b.data,
                       .x = residual(c),
                       .x_stride = t->width,
                       .y = t->q + c->first * t->stride,
                       .y_stride = t->stride,
                       .n_rows = c->n,
                       .arg = t,
                       .first_row = c->first,
                       .head = t->c->vision.head_dim},
                  k = q, v = q;
    k.w = &c->l->k, k.bias = c->l->k_b.data, k.y = t->y[0];
    k.then = THEN_CALL, k.call = store_keys;
    v.w = &c->l->v, v.bias = c->l->v_b.data, v.y = t->y[1];
    v.then = THEN_CALL, v.call = store_values;
    ops_norm_linears(c->o, &norm, (struct linear[]){q, k, v}, 3);
}

/* All rows, for some of the heads. */
static void attend(const struct tower *t, struct ops *o, int first_head, int n_heads)
{
    for (int i = 0; i < t->n; i++) {
        struct attention *a = &t->head_parts[i];
        *a = t->parts[i];
        a->q += first_head * a->head_dim;
        a->out += first_head * a->head_dim;
        a->kv_offset += (size_t)first_head * a->head_step;
        a->n_heads = a->n_kv_heads = n_heads;
    }
    ops_attend(o, t->head_parts, t->n);
}

/* The residual stream takes in a product of x. */
static void add_product(const struct chunk *c, const struct mat *w, const struct vec *bias,
                        const float *x, int64_t x_stride)
{
    ops_linear(c->o, &(struct linear){.w = w,
                                      .bias = bias->data,
                                      .x = x,
                                      .x_stride = x_stride,
                                      .y = c->t->y[0],
                                      .y_stride = c->t->stride,
                                      .n_rows = c->n,
                                      .then = THEN_ADD,
                                      .to = residual(c)});
}

static void leave_attention(const struct chunk *c)
{
    const struct tower *t = c->t;
    add_product(c, &c->l->out, &c->l->out_b, t->attended + (size_t)c->first * (size_t)t->width,
                t->width);
}

static void enter_mlp(const struct chunk *c)
{
    const struct tower *t = c->t;
    const struct norm norm = norm_of(t, &c->l->norm2_w, &c->l->norm2_b);
    ops_norm_linears(c->o, &norm,
                     &(struct linear){.w = &c->l->fc1,
                                      .bias = c->l->fc1_b.data,
                                      .x = residual(c),
                                      .x_stride = t->width,
                                      .y = t->mlp,
                                      .y_stride = t->mlp_stride,
                                      .n_rows = c->n,
                                      .then = THEN_QUICK_GELU},
                     1);
}

static void leave_mlp(const struct chunk *c)
{
    add_product(c, &c->l->fc2, &c->l->fc2_b, c->t->mlp, c->t->mlp_stride);
}

/* A traced pass has one chunk, so each tensor is whole. */
static void trace_layer(const struct tower *t, struct ops *o, int layer)
{
    char name[64];
    snprintf(name, sizeof name, "vision.layer.%d", layer);
    trace_tokens(t, o, name, t->x);
}

static int n_chunks(const struct tower *t) { return (t->rows + t->chunk - 1) / t->chunk; }

/* Of a layer: chunk after chunk up to attention, the heads, and each chunk through what follows. */
static int n_head_steps(const struct tower *t)
{
    return (t->c->vision.n_heads + STEP_HEADS - 1) / STEP_HEADS;
}

static int layer_steps(const struct tower *t)
{
    return (1 + LEAVE_STEPS) * n_chunks(t) + n_head_steps(t);
}

int tower_steps(const struct tower *t) { return t->c->vision.n_run_layers * layer_steps(t); }

static struct chunk chunk_at(const struct tower *t, struct ops *o, int layer, int number)
{
    const int first = number * t->chunk, left = t->rows - first;
    return (struct chunk){.t = t,
                          .o = o,
                          .l = &t->w->vision_layers[layer],
                          .first = first,
                          .n = left < t->chunk ? left : t->chunk};
}

/* A part of a chunk's way through what follows attention. */
static void leave_step(const struct chunk *c, int layer, int part)
{
    if (part == 0) {
        leave_attention(c);
        if (layer == 0) trace_tokens(c->t, c->o, "vision.layer.0.attn", c->t->y[0]);
    } else if (part == 1) {
        enter_mlp(c);
    } else {
        leave_mlp(c);
        if (c->o->trace) trace_layer(c->t, c->o, layer);
    }
}

void tower_step(const struct tower *t, struct ops *o, int step)
{
    const int layer = step / layer_steps(t), chunks = n_chunks(t), heads = n_head_steps(t);
    int at = step % layer_steps(t);
    if (at < chunks) {
        const struct chunk c = chunk_at(t, o, layer, at);
        enter_attention(&c);
    } else if (at < chunks + heads) {
        const int first = (at - chunks) * STEP_HEADS, left = t->c->vision.n_heads - first;
        attend(t, o, first, left < STEP_HEADS ? left : STEP_HEADS);
    } else {
        at -= chunks + heads;
        const struct chunk c = chunk_at(t, o, layer, at / LEAVE_STEPS);
        leave_step(&c, layer, at % LEAVE_STEPS);
    }
}
