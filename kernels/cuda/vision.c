/* SPDX-License-Identifier: MIT
 * A picture's crops through the tower, merged and projected (docs/model.md, Vision tower,
 * Projection). The tower takes them in groups of whole rows of the grid: the host resizes the
 * picture from the top, and while it makes the next group's crops, the GPU computes with those
 * before. The global view is made of all of the resized picture, so it comes last. Groups depend on
 * the grid alone, so that the same picture gives the same bits. */
#include <stdio.h>
#include <stdlib.h>

#include "base/err.h"
#include "device.h"

enum {
    MAX_CROPS = 64,  // of a picture: bounds the work memory; 16 is what models use
    LEAST_CROPS = 4, // of a group: fewer leave the products of a large GPU half empty
};

struct tower {
    struct backend_state *s;
    const struct config *c;
    const struct dev_weights *w;
    const struct crop_source *crops;
    const struct trace *trace;
    int n_patches, n_tokens, width;
    int most;               // crops of the largest group
    int first_tile, global; // where in `tower` the grid's crops begin and the global view lies
    int n_out;              // rows of the picture
    int64_t ld, qkv_ld, mlp_ld, patch_ld, merged_ld, hidden_ld;
    /* the group under way: crops first … first+n-1 of `tower` */
    int first, n, rows; // rows: all their tokens
    float *x;           // of their tokens in tower
    /* on the GPU */
    float *tower; // [crops][n_tokens][width]: the residual stream
    float *embedded;
    struct bf16 *patches, *normed, *qkv, *attn, *heads, *mlp, *merged, *hidden;
    int *sources;
};

/* -- Memory ------------------------------------------------------------------------------------ */

static void set_dims(struct tower *t)
{
    const struct vision_config *v = &t->c->vision;
    int side = v->image_size / v->patch_size;
    t->n_patches = side * side;
    t->n_tokens = t->n_patches + 1;
    t->width = v->hidden;
    t->ld = pad_row(t->width);
    t->qkv_ld = pad_row(3 * (int64_t)t->width);
    t->mlp_ld = pad_row(v->intermediate);
    t->patch_ld = pad_row(3 * (int64_t)v->patch_size * v->patch_size);
    t->merged_ld = pad_row(4 * (int64_t)t->width);
    t->hidden_ld = pad_row(t->c->hidden);
    t->n_out = config_image_tokens(t->c, t->crops->plan.rows, t->crops->plan.cols);
    /* a trace wants the global view first, and all crops together */
    t->first_tile = t->trace ? 1 : 0;
    t->global = t->trace ? 0 : t->crops->n - 1;
}

static size_t crop_floats(const struct tower *t)
{
    return 3 * (size_t)t->c->vision.image_size * (size_t)t->c->vision.image_size;
}

/* How many crops the group from `first` on has: rows of the grid, the last ones with the global
 * view, and with whatever would be a group too small. */
static int group_size(const struct tower *t, int first)
{
    int tiles = t->crops->n - 1, cols = t->crops->plan.cols, n = cols;
    if (t->trace) return t->crops->n;
    while (n < LEAST_CROPS && first + n < tiles) n += cols;
    return t->crops->n - first - n < LEAST_CROPS ? t->crops->n - first : n;
}

static int largest_group(const struct tower *t)
{
    int most = 0;
    for (int first = 0, n; first < t->crops->n; first += n) {
        n = group_size(t, first);
        if (n > most) most = n;
    }
    return most;
}

static void set_group(struct tower *t, int first)
{
    t->first = first;
    t->n = group_size(t, first);
    t->rows = t->n * t->n_tokens;
    t->x = t->tower + (int64_t)first * t->n_tokens * t->width;
}

/* Heads that no attention kernel is made for are padded first. */
static bool pads_heads(const struct tower *t)
{
    return pad_head(t->c->vision.head_dim) != t->c->vision.head_dim;
}

static void lay_out(struct tower *t, struct carve *m)
{
    size_t b = sizeof(struct bf16), f = sizeof(float), n = (size_t)t->most,
           rows = n * (size_t)t->n_tokens;
    size_t head_width = (size_t)t->c->vision.n_heads * (size_t)pad_head(t->c->vision.head_dim);
    t->tower = carve(m, (size_t)(t->crops->n * t->n_tokens) * (size_t)t->width * f);
    t->patches = carve(m, n * (size_t)t->n_patches * (size_t)t->patch_ld * b);
    t->embedded = carve(m, n * (size_t)t->n_patches * (size_t)t->width * f);
    t->normed = carve(m, rows * (size_t)t->ld * b);
    t->qkv = carve(m, rows * (size_t)t->qkv_ld * b);
    t->attn = carve(m, rows * (size_t)t->ld * b);
    t->heads = carve(m, pads_heads(t) ? 3 * rows * head_width * b : 0);
    t->mlp = carve(m, rows * (size_t)t->mlp_ld * b);
    t->merged = carve(m, (size_t)t->n_out * (size_t)t->merged_ld * b);
    t->hidden = carve(m, (size_t)t->n_out * (size_t)t->hidden_ld * b);
    t->sources = carve(m, (size_t)t->n_out * sizeof(int));
}

/* Zeroed, because products read the padding of rows. */
static int take_memory(struct tower *t, struct phi3v_error *err)
{
    struct backend_state *s = t->s;
    struct carve m = {0};
    t->most = largest_group(t);
    int code = staging_reserve(&s->staging, (size_t)t->most * crop_floats(t) * sizeof(float), err);
    if (code) return code;
    lay_out(t, &m);
    if (m.used > s->picture_bytes) {
        cudaFree(s->picture);
        s->picture = NULL;
        s->picture_bytes = 0;
        cudaError_t rc = cudaMalloc(&s->picture, m.used);
        if (rc != cudaSuccess) return device_error(rc, "a picture's crops", m.used, err);
        s->picture_bytes = m.used;
    }
    queue_zero(&s->q, s->picture, m.used);
    m = (struct carve){.base = s->picture};
    lay_out(t, &m);
    return 0;
}

/* -- Where rows come from ---------------------------------------------------------------------- */

/* rows x cols crops of g x g cells each, row by row across crops, a separator behind every row;
 * returns the next entry. */
static int *list_cells(int *to, int g, int first_crop, int rows, int cols)
{
    for (int y = 0; y < rows * g; y++) {
        for (int x = 0; x < cols * g; x++)
            *to++ = ((first_crop + y / g * cols + x / g) * g + y % g) * g + x % g;
        *to++ = MERGE_SUB_GN;
    }
    return to;
}

/* The crops' picture, glb_GN, the global view (docs/model.md, Projection). */
static int *list_sources(const struct tower *t)
{
    int g = config_grid(t->c);
    int *sources = malloc((size_t)t->n_out * sizeof *sources);
    if (!sources) return NULL;
    int *end = list_cells(sources, g, t->first_tile, t->crops->plan.rows, t->crops->plan.cols);
    *end++ = MERGE_GLB_GN;
    list_cells(end, g, t->global, 1, 1);
    return sources;
}

/* -- Layers ------------------------------------------------------------------------------------ */

static int trace_tokens(struct tower *t, const char *name, int n_tokens, const float *x,
                        struct phi3v_error *err)
{
    return trace_floats(t->s, t->trace, name, 3, (int64_t[]){t->n, n_tokens, t->width}, x, err);
}

static void norm_rows(struct tower *t, const float *w, const float *b, bool in_place)
{
    layer_norm_launch(&t->s->q, &(struct norm){.x = t->x,
                                               .y = in_place ? NULL : t->normed,
                                               .y32 = t->x,
                                               .w = w,
                                               .b = b,
                                               .n_rows = t->rows,
                                               .n = t->width,
                                               .ld = t->ld,
                                               .eps = t->c->vision.layer_norm_eps});
}

/* The struct's y16 or y32 with its ld, bias and add are the caller's; the rest is filled in. */
static void product(struct tower *t, const char *name, const struct dev_mat *w,
                    const struct bf16 *x, int n_rows, struct product p)
{
    p.name = name;
    p.w = *w;
    p.x = x;
    p.x_ld = w->ld;
    p.n_rows = n_rows;
    product_any(t->s, &p);
}

static void attend(struct tower *t)
{
    const struct vision_config *v = &t->c->vision;
    int d = pad_head(v->head_dim);
    int64_t row = t->qkv_ld, head_step = v->head_dim;
    const struct bf16 *q = t->qkv, *k = q + t->width, *val = k + t->width;
    if (pads_heads(t)) {
        struct bf16 *heads = t->heads;
        row = (int64_t)v->n_heads * d;
        head_step = d;
        split_heads_launch(&t->s->q, &(struct split_heads){.qkv = t->qkv,
                                                           .ld = t->qkv_ld,
                                                           .q = heads,
                                                           .k = heads + t->rows * row,
                                                           .v = heads + 2 * t->rows * row,
                                                           .n_rows = t->rows,
                                                           .n_heads = v->n_heads,
                                                           .n_kv_heads = v->n_heads,
                                                           .head_dim = v->head_dim});
        q = heads, k = heads + t->rows * row, val = heads + 2 * t->rows * row;
    }
    attend_prefill_launch(&t->s->q, &(struct attend_prefill){.q = q,
                                                             .k = k,
                                                             .v = val,
                                                             .q_batch = t->n_tokens * row,
                                                             .q_row = row,
                                                             .q_head = head_step,
                                                             .kv_batch = t->n_tokens * row,
                                                             .kv_row = row,
                                                             .kv_head = head_step,
                                                             .out = t->attn,
                                                             .out_batch = t->n_tokens * t->ld,
                                                             .out_row = t->ld,
                                                             .n_batch = t->n,
                                                             .n_rows = t->n_tokens,
                                                             .n_heads = v->n_heads,
                                                             .n_kv_heads = v->n_heads,
                                                             .head_dim = v->head_dim,
                                                             .n_keys = t->n_tokens});
}

static void attention_block(struct tower *t, const struct dev_tower_layer *l)
{
    norm_rows(t, l->norm1_w, l->norm1_b, false);
    product(t, "tower.qkv", &l->qkv, t->normed, t->rows,
            (struct product){.y16 = t->qkv, .y_ld = t->qkv_ld, .bias = l->qkv_b});
    attend(t);
    product(t, "tower.out", &l->out, t->attn, t->rows,
            (struct product){.y32 = t->x, .y_ld = t->width, .bias = l->out_b, .add = true});
}

static void mlp_block(struct tower *t, const struct dev_tower_layer *l)
{
    norm_rows(t, l->norm2_w, l->norm2_b, false);
    product(t, "tower.fc1", &l->fc1, t->normed, t->rows,
            (struct product){.y16 = t->mlp, .y_ld = t->mlp_ld, .bias = l->fc1_b});
    quick_gelu_launch(&t->s->q, t->mlp, t->mlp_ld, t->rows, t->c->vision.intermediate);
    product(t, "tower.fc2", &l->fc2, t->mlp, t->rows,
            (struct product){.y32 = t->x, .y_ld = t->width, .bias = l->fc2_b, .add = true});
}

static int run_layers(struct tower *t, struct phi3v_error *err)
{
    int64_t shape[3] = {t->n, t->n_tokens, t->width};
    int rc = 0;
    for (int i = 0; i < t->c->vision.n_run_layers && !rc; i++) {
        char name[64];
        float *before = NULL;
        if (i == 0)
            rc = trace_keep(t->s, t->trace, (size_t)t->rows * (size_t)t->width, t->x, &before, err);
        attention_block(t, &t->w->tower[i]);
        if (i == 0 && !rc)
            rc = trace_change(t->s, t->trace, "vision.layer.0.attn", 3, shape, t->x, before, err);
        free(before);
        mlp_block(t, &t->w->tower[i]);
        snprintf(name, sizeof name, "vision.layer.%d", i);
        if (!rc) rc = trace_tokens(t, name, t->n_tokens, t->x, err);
    }
    return rc;
}

/* The group's crops as the host makes them, to the GPU's memory. */
static int send_crops(struct tower *t, float **ret_pixels, struct phi3v_error *err)
{
    struct staging *staging = &t->s->staging;
    float *to = staging_take(staging, &t->s->q);
    const struct crop_source *c = t->crops;
    int tiles = t->first + t->n == c->n ? t->n - 1 : t->n, rc;
    if (t->trace) {
        rc = c->make(c->user, 0, t->n, to, err);
    } else {
        rc = c->make(c->user, 1 + t->first, tiles, to, err);
        if (!rc && tiles < t->n)
            rc = c->make(c->user, 0, 1, to + (size_t)tiles * crop_floats(t), err);
    }
    if (!rc)
        *ret_pixels = staging_send(staging, &t->s->q, (size_t)t->n * crop_floats(t) * sizeof *to);
    return rc;
}

/* The group's tokens, to x. */
static int run_group(struct tower *t, struct phi3v_error *err)
{
    const struct vision_config *v = &t->c->vision;
    struct queue *q = &t->s->q;
    float *pixels;
    int rc = send_crops(t, &pixels, err);
    if (rc) return rc;
    patches_launch(q, t->patches, t->patch_ld, pixels, t->n, v->image_size, v->patch_size);
    staging_done(&t->s->staging, q);
    product(t, "tower.patches", &t->w->patch, t->patches, t->n * t->n_patches,
            (struct product){.y32 = t->embedded, .y_ld = t->width});
    rc = trace_tokens(t, "vision.patch_embed", t->n_patches, t->embedded, err);
    tokens_launch(q, t->x, t->embedded, t->w->class_token, t->w->places, t->n, t->n_patches,
                  t->width);
    norm_rows(t, t->w->pre_norm_w, t->w->pre_norm_b, true);
    if (!rc) rc = trace_tokens(t, "vision.pre_layernorm", t->n_tokens, t->x, err);
    return rc ? rc : run_layers(t, err);
}

/* Group after group is queued; nothing waits for the GPU but the host's buffers. */
static int run_tower(struct tower *t, const struct pulse *pulse, struct phi3v_error *err)
{
    int rc = 0, total = t->crops->n;
    for (int first = 0; first < total && !rc; first += t->n) {
        set_group(t, first);
        if (first > 0 && pulse && pulse->fn(pulse->user, first, total))
            return err_set(err, PHI3V_E_CANCELLED, "cancelled");
        rc = run_group(t, err);
    }
    return rc;
}

/* -- The projector ----------------------------------------------------------------------------- */

static int project(struct tower *t, const int *sources, float *features, struct phi3v_error *err)
{
    struct queue *q = &t->s->q;
    int64_t shape[2] = {t->n_out, t->c->hidden};
    queue_copy(q, t->sources, sources, (size_t)t->n_out * sizeof *sources);
    merge_launch(q, &(struct merge){.tower = t->tower,
                                    .sub_gn = t->w->sub_gn,
                                    .glb_gn = t->w->glb_gn,
                                    .sources = t->sources,
                                    .y = t->merged,
                                    .ld = t->merged_ld,
                                    .n_rows = t->n_out,
                                    .grid = config_grid(t->c),
                                    .c = t->width});
    int rc = trace_rows(t->s, t->trace, "merged_features", 2, (int64_t[]){t->n_out, 4 * t->width},
                        t->merged, t->merged_ld, err);
    product(t, "projector.0", &t->w->proj0, t->merged, t->n_out,
            (struct product){.y16 = t->hidden, .y_ld = t->hidden_ld, .bias = t->w->proj0_b});
    if (!rc) rc = trace_rows(t->s, t->trace, "projector.0", 2, shape, t->hidden, t->hidden_ld, err);
    gelu_erf_launch(q, t->hidden, t->hidden_ld, t->n_out, t->c->hidden);
    product(t, "projector.2", &t->w->proj2, t->hidden, t->n_out,
            (struct product){.y32 = features, .y_ld = t->c->hidden, .bias = t->w->proj2_b});
    return rc ? rc : trace_floats(t->s, t->trace, "image_tokens", 2, shape, features, err);
}

/* -- A picture --------------------------------------------------------------------------------- */

/* Bounds the work memory; that the crops are this model's is the engine's to know (backend.h). */
static int check_count(int n_crops, struct phi3v_error *err)
{
    if (n_crops <= MAX_CROPS) return 0;
    return err_set(err, PHI3V_E_UNSUPPORTED, "%d crops; on the GPU a picture has at most %d",
                   n_crops, MAX_CROPS);
}

static int features_new(int n_rows, int hidden, struct features **ret, struct phi3v_error *err)
{
    struct features *f = calloc(1, sizeof *f);
    size_t bytes = (size_t)n_rows * (size_t)hidden * sizeof *f->data;
    if (!f) return err_set(err, PHI3V_E_MEMORY, "not enough memory for a picture");
    f->n_rows = n_rows;
    f->hidden = hidden;
    cudaError_t rc = cudaMalloc((void **)&f->data, bytes);
    if (rc != cudaSuccess) {
        free(f);
        return device_error(rc, "a picture's rows", bytes, err);
    }
    *ret = f;
    return 0;
}

void features_release(struct features *f)
{
    if (!f) return;
    cudaFree(f->data);
    free(f);
}

int vision_encode_cuda(struct backend_state *s, const struct crop_source *crops,
                       const struct trace *trace, const struct pulse *pulse, struct features **ret,
                       struct phi3v_error *err)
{
    struct tower t = {.s = s, .c = s->b->config, .w = &s->b->w, .crops = crops, .trace = trace};
    struct features *f = NULL;
    int rc = check_count(crops->n, err);
    if (rc) return rc;
    set_dims(&t);
    int *sources = list_sources(&t);
    if (!sources) rc = err_set(err, PHI3V_E_MEMORY, "not enough memory for a picture");
    if (!rc) rc = features_new(t.n_out, t.c->hidden, &f, err);
    if (!rc) rc = take_memory(&t, err);
    if (!rc) rc = run_tower(&t, pulse, err);
    if (!rc) rc = project(&t, sources, f->data, err);
    int waited = state_wait(s, rc ? NULL : pulse, t.first, crops->n, err);
    if (!rc) rc = waited;
    free(sources);
    if (rc)
        features_release(f);
    else
        *ret = f;
    return rc;
}
