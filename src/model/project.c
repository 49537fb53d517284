/* SPDX-License-Identifier: MIT */
#include "model/project.h"

#include <string.h>

#include "base/err.h"
#include "base/mem.h"

int project_features_new(const struct config *c, const struct model_weights *w,
                         const struct crop_plan *plan, struct features **ret,
                         struct phi3v_error *err)
{
    struct features *f = mem_zalloc(sizeof *f);
    if (!f) return err_memory(err, "picture features", sizeof *f);
    *f = (struct features){.n_rows = config_image_tokens(c, plan->rows, plan->cols),
                           .hidden = c->hidden,
                           .width = w->proj0.n_in,
                           .n_crops = 1 + plan->rows * plan->cols};
    f->done = mem_zarray((size_t)f->n_crops, sizeof *f->done);
    f->merged = mem_array((size_t)f->n_rows, (size_t)f->width * sizeof *f->merged);
    if (!f->done || !f->merged) {
        size_t n_bytes = (size_t)f->n_rows * (size_t)f->width * sizeof *f->merged;
        project_features_free(f);
        return err_memory(err, "picture features", n_bytes);
    }
    *ret = f;
    return 0;
}

int project_features_make(int n_rows, int hidden, const void *data, struct features **ret,
                          struct phi3v_error *err)
{
    size_t n_bytes = (size_t)n_rows * (size_t)hidden * sizeof(float);
    struct features *f = mem_zalloc(sizeof *f);
    if (f) *f = (struct features){.n_rows = n_rows, .hidden = hidden, .data = mem_alloc(n_bytes)};
    if (!f || !f->data) {
        mem_free(f);
        return err_memory(err, "picture features", n_bytes);
    }
    memcpy(f->data, data, n_bytes);
    *ret = f;
    return 0;
}

static void forget_crops(struct features *f)
{
    mem_free(f->merged);
    mem_free(f->done);
    f->merged = NULL;
    f->done = NULL;
}

void project_features_free(struct features *f)
{
    if (!f) return;
    forget_crops(f);
    mem_free(f->data);
    mem_free(f);
}

size_t project_features_bytes(const struct features *f)
{
    int width = f->data ? f->hidden : f->width;
    return sizeof *f + (size_t)f->n_rows * (size_t)width * sizeof(float);
}

int project_features_done(const struct features *f)
{
    int n = 0;
    for (int i = 0; i < f->n_crops; i++) n += !f->done || f->done[i];
    return n;
}

/* A block of rows of cells, each row closed by one separator: the tiles' picture, or the global
 * view. */
struct block {
    int64_t first;   // row of merged at which it begins
    int64_t row_len; // cells of a row and the separator
    int n_rows;
};

static struct block tiles_block(const struct config *c, const struct crop_plan *plan)
{
    int g = config_grid(c);
    return (struct block){
        .first = 0, .row_len = (int64_t)plan->cols * g + 1, .n_rows = plan->rows * g};
}

static struct block global_block(const struct config *c, const struct crop_plan *plan)
{
    struct block tiles = tiles_block(c, plan);
    int g = config_grid(c);
    return (struct block){.first = tiles.first + tiles.n_rows * tiles.row_len + 1, // behind glb_GN
                          .row_len = g + 1,
                          .n_rows = g};
}

/* Cells of one crop, whose patches are f[2g][2g][C], into their rows: each is the four vectors of a
 * 2x2 square. */
static void merge_crop(const float *f, int grid, size_t width, float *to, int64_t row_len)
{
    int side = 2 * grid;
    for (int y = 0; y < grid; y++) {
        for (int x = 0; x < grid; x++) {
            float *cell = to + (size_t)(y * row_len + x) * 4 * width;
            const float *upper = f + ((size_t)(2 * y) * side + 2 * x) * width;
            memcpy(cell, upper, 2 * width * sizeof *cell);
            memcpy(cell + 2 * width, upper + side * width, 2 * width * sizeof *cell);
        }
    }
}

void project_merge(const struct config *c, const struct crop_plan *plan, const float *tower,
                   int first_crop, int n, float *merged)
{
    int g = config_grid(c);
    size_t width = (size_t)c->vision.hidden, n_tokens = (size_t)(4 * g * g + 1);
    for (int i = 0; i < n; i++) {
        int crop = first_crop + i;
        struct block b = crop == 0 ? global_block(c, plan) : tiles_block(c, plan);
        int tile = crop == 0 ? 0 : crop - 1;
        int64_t row = crop == 0 ? 0 : (int64_t)(tile / plan->cols) * g;
        int64_t col = crop == 0 ? 0 : (int64_t)(tile % plan->cols) * g;
        const float *patches = tower + ((size_t)i * n_tokens + 1) * width; // class token dropped
        merge_crop(patches, g, width,
                   merged + (size_t)(b.first + row * b.row_len + col) * 4 * width, b.row_len);
    }
}

static void separate_block(const struct block *b, const struct vec *sep, float *merged)
{
    for (int64_t row = 0; row < b->n_rows; row++)
        memcpy(merged + (b->first + (row + 1) * b->row_len - 1) * sep->n, sep->data,
               (size_t)sep->n * sizeof *merged);
}

void project_separators(const struct config *c, const struct model_weights *w,
                        const struct crop_plan *plan, float *merged)
{
    struct block tiles = tiles_block(c, plan), global = global_block(c, plan);
    separate_block(&tiles, &w->sub_gn, merged);
    separate_block(&global, &w->sub_gn, merged);
    memcpy(merged + (global.first - 1) * w->glb_gn.n, w->glb_gn.data,
           (size_t)w->glb_gn.n * sizeof *merged);
}

/* hidden: scratch; to: the features' rows. Both are [n_rows][f->hidden]. */
static void project_rows(const struct model_weights *w, struct ops *o, const struct features *f,
                         float *hidden, float *to)
{
    struct linear first = {.w = &w->proj0,
                           .bias = w->proj0_b.data,
                           .x = f->merged,
                           .x_stride = w->proj0.n_in,
                           .y = hidden,
                           .y_stride = f->hidden,
                           .n_rows = f->n_rows};
    int64_t shape[2] = {f->n_rows, f->hidden};
    if (o->trace) { // the activation apart: the trace shows the product itself
        ops_linear(o, &first);
        ops_trace(o, "projector.0", 2, shape, hidden);
        if (!o->stopped) o->k->gelu_erf(hidden, (int64_t)f->n_rows * f->hidden);
    } else {
        first.then = THEN_GELU;
        ops_linear(o, &first);
    }
    struct linear second = {.w = &w->proj2,
                            .bias = w->proj2_b.data,
                            .x = hidden,
                            .x_stride = f->hidden,
                            .y = to,
                            .y_stride = f->hidden,
                            .n_rows = f->n_rows};
    ops_linear(o, &second);
    ops_trace(o, "image_tokens", 2, shape, to);
}

int project_run(const struct model_weights *w, struct ops *o, struct features *f,
                struct phi3v_error *err)
{
    size_t n_rows = (size_t)f->n_rows, row = (size_t)f->hidden * sizeof(float);
    CLEANUP(mem_free_ptr) float *hidden = mem_array(n_rows, row);
    float *data = mem_array(n_rows, row);
    int rc = hidden && data ? 0 : err_memory(err, "picture features", 2 * n_rows * row);
    if (!rc) {
        project_rows(w, o, f, hidden, data);
        rc = ops_end(o, err);
    }
    if (rc) {
        mem_free(data);
        return rc;
    }
    f->data = data;
    forget_crops(f);
    return 0;
}
