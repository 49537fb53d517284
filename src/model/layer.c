/* SPDX-License-Identifier: MIT */
#include "model/layer.h"

#include <string.h>

#include "model/kv.h"

static size_t qkv_width(const struct config *c)
{
    return (size_t)(c->n_heads + 2 * c->n_kv_heads) * (size_t)c->head_dim;
}

static size_t mlp_stride(const struct config *c)
{
    return (size_t)ops_row_stride(2 * c->intermediate);
}

static size_t row_floats(const struct config *c)
{
    return (size_t)c->head_dim + 2 * (size_t)c->hidden + qkv_width(c) +
           (size_t)c->n_heads * (size_t)c->head_dim + mlp_stride(c);
}

size_t piece_bytes(const struct config *c, int max_rows, int max_parts)
{
    return (size_t)max_rows * (row_floats(c) * sizeof(float) + 2 * sizeof(int)) +
           (size_t)max_parts * (sizeof(struct piece_part) + sizeof(struct attention)) +
           11 * arena_size(1);
}

void piece_take(struct piece *p, const struct config *c, struct arena *a, int max_rows,
                int max_parts)
{
    size_t rows = (size_t)max_rows, row = rows * sizeof(float);
    *p = (struct piece){0};
    p->parts = arena_take(a, (size_t)max_parts * sizeof *p->parts);
    p->attend = arena_take(a, (size_t)max_parts * sizeof *p->attend);
    p->row_part = arena_take(a, rows * sizeof *p->row_part);
    p->wanted = arena_take(a, rows * sizeof *p->wanted);
    p->cos = arena_take(a, row * (size_t)(c->head_dim / 2));
    p->sin = arena_take(a, row * (size_t)(c->head_dim / 2));
    p->x = arena_take(a, row * (size_t)c->hidden);
    p->normed = arena_take(a, row * (size_t)c->hidden);
    p->qkv = arena_take(a, row * qkv_width(c));
    p->attn = arena_take(a, row * (size_t)c->n_heads * (size_t)c->head_dim);
    p->mlp = arena_take(a, row * mlp_stride(c));
}

/* -- Traced tensors --------------------------------------------------------------------------- */

static void trace_rows(struct ops *o, const struct piece *p, const char *name, int64_t width,
                       const float *data)
{
    ops_trace(o, name, 2, (int64_t[]){p->n_rows, width}, data);
}

/* Heads of qkv, transposed to [n_heads][n_rows][head_dim] in attn, which is not in use yet. */
static void trace_heads(const struct config *c, struct ops *o, const struct piece *p,
                        const char *name, int first_head, int n_heads)
{
    size_t rows = (size_t)p->n_rows, d = (size_t)c->head_dim;
    for (int h = 0; h < n_heads; h++)
        for (size_t r = 0; r < rows; r++)
            memcpy(p->attn + ((size_t)h * rows + r) * d,
                   p->qkv + r * qkv_width(c) + (size_t)(first_head + h) * d, d * sizeof(float));
    ops_trace(o, name, 3, (int64_t[]){n_heads, p->n_rows, c->head_dim}, p->attn);
}

/* -- Keys and values -------------------------------------------------------------------------- */

struct rotate {
    const struct config *c;
    const struct piece *p;
};

/* What attention needs to know of consecutive rows of a sequence: queries from row first_row on,
 * results from row `to` on. */
static struct attention describe(const struct config *c, const struct piece *p,
                                 const struct piece_part *part, int to, int layer)
{
    size_t width = qkv_width(c), out = (size_t)c->n_heads * (size_t)c->head_dim;
    return (struct attention){
        .q = p->qkv + (size_t)part->first_row * width,
        .q_stride = (int64_t)width,
        .out = p->attn + (size_t)to * out,
        .out_stride = (int64_t)out,
        .n_rows = part->n_rows,
        .n_heads = c->n_heads,
        .n_kv_heads = c->n_kv_heads,
        .head_dim = c->head_dim,
        .causal = true,
        .first_pos = part->first_pos,
        .kv_type = p->kv_type,
        .blocks = part->blocks,
        .kv_offset = kv_layer_offset(c, p->kv_type, layer),
        .head_step = kv_head_step(c, p->kv_type),
    };
}

static void describe_parts(const struct config *c, struct piece *p, int layer)
{
    for (int i = 0; i < p->n_parts; i++)
        p->attend[i] = describe(c, p, &p->parts[i], p->parts[i].first_row, layer);
}

static bool is_step(const struct piece *p) { return p->n_rows == p->n_parts; }

/* Position of a row in its sequence. */
static int64_t pos_of(const struct piece *p, int row)
{
    const struct piece_part *part = &p->parts[p->row_part[row]];
    return part->first_pos + row - part->first_row;
}

/* Each wanted row becomes a part of its own, and the piece has no others. Their keys and values have
 * been stored, and their queries stay where they are. */
static void keep_wanted(const struct config *c, struct piece *p, int layer)
{
    const size_t hidden = (size_t)c->hidden;
    for (int i = 0; i < p->n_wanted; i++) {
        const int row = p->wanted[i];
        const struct piece_part alone = {.first_row = row,
                                         .n_rows = 1,
                                         .first_pos = pos_of(p, row),
                                         .blocks = p->parts[p->row_part[row]].blocks};
        p->attend[i] = describe(c, p, &alone, i, layer);
        memmove(p->x + (size_t)i * hidden, p->x + (size_t)row * hidden, hidden * sizeof *p->x);
        p->wanted[i] = i;
    }
    p->n_rows = p->n_parts = p->n_wanted;
}

static void rotate_head(const struct ops *o, const struct rotate *a, int row, float *head)
{
    const size_t half = (size_t)a->c->head_dim / 2, at = (size_t)row * half;
    o->k->rope(head, a->p->cos + at, a->p->sin + at, a->c->head_dim);
}

/* Of a step's row: rotates the queries of a kv head and its key, and stores key and value. */
static void enter_step(const struct ops *o, void *arg, int part, int kv_head)
{
    const struct rotate *a = arg;
    const struct config *c = a->c;
    const int row = a->p->parts[part].first_row, group = c->n_heads / c->n_kv_heads;
    const size_t d = (size_t)c->head_dim;
    float *q = a->p->qkv + (size_t)row * qkv_width(c);
    float *k = q + (size_t)(c->n_heads + kv_head) * d, *v = k + (size_t)c->n_kv_heads * d;
    for (int h = kv_head * group; h < (kv_head + 1) * group; h++)
        rotate_head(o, a, row, q + (size_t)h * d);
    rotate_head(o, a, row, k);
    ops_store(o, &a->p->attend[part], kv_head, pos_of(a->p, row), 1, k, v, 0);
}

/* The same for what a product of many rows has just made, head by head: neighbouring positions go
 * to the same lines. */
static void enter_outputs(const struct ops *o, const struct linear *l, int first, int n_rows,
                          int col, int n_cols)
{
    const struct rotate *a = l->arg;
    const struct config *c = a->c;
    const struct piece *p = a->p;
    const int keys = c->n_heads, values = keys + c->n_kv_heads;
    for (int h = col / c->head_dim; h < (col + n_cols) / c->head_dim; h++) {
        float *y = l->y + first * l->y_stride + (int64_t)h * c->head_dim;
        int row = l->first_row + first;
        const int end = row + n_rows;
        for (int i = 0; i < n_rows && h < values; i++)
            rotate_head(o, a, row + i, y + i * l->y_stride);
        for (int n; row < end && h >= keys; row += n, y += n * l->y_stride) {
            const int part = p->row_part[row],
                      next = p->parts[part].first_row + p->parts[part].n_rows;
            n = (next < end ? next : end) - row;
            ops_store(o, &p->attend[part], h < values ? h - keys : h - values, pos_of(p, row), n,
                      h < values ? y : NULL, h < values ? NULL : y, l->y_stride);
        }
    }
}

/* -- The layer -------------------------------------------------------------------------------- */

/* l of the normed rows of the residual stream. */
static void norm_linear(const struct config *c, struct ops *o, const struct piece *p,
                        const struct vec *w, struct linear l)
{
    l.x = p->x, l.x_stride = c->hidden, l.n_rows = p->n_rows;
    ops_norm_linears(o, &(struct norm){.w = w->data, .eps = c->rms_norm_eps, .room = p->normed}, &l,
                     1);
}

/* golden: activations/decoder.layer.0.* */
static void enter_attention(const struct config *c, const struct decoder_layer_weights *w,
                            struct ops *o, struct piece *p, int layer, bool step)
{
    struct rotate rotate = {.c = c, .p = p};
    const int width = (int)qkv_width(c);
    const bool traced = o->trace && layer == 0;
    struct linear qkv = {.w = &w->qkv,
                         .y = p->qkv,
                         .y_stride = width,
                         .then = step || traced ? THEN_NOTHING : THEN_CALL,
                         .call = enter_outputs,
                         .arg = &rotate,
                         .head = c->head_dim};
    describe_parts(c, p, layer);
    norm_linear(c, o, p, &w->input_norm, qkv);
    if (traced) {
        trace_rows(o, p, "decoder.layer.0.input_norm", c->hidden, p->normed);
        trace_rows(o, p, "decoder.layer.0.qkv", width, p->qkv);
        enter_outputs(o, &qkv, 0, p->n_rows, 0, width);
        trace_heads(c, o, p, "decoder.layer.0.q_rope", 0, c->n_heads);
        trace_heads(c, o, p, "decoder.layer.0.k_rope", c->n_heads, c->n_kv_heads);
    }
}

static void leave_attention(const struct config *c, const struct decoder_layer_weights *w,
                            struct ops *o, struct piece *p, bool step)
{
    struct rotate rotate = {.c = c, .p = p};
    if (step)
        ops_attend_steps(o, p->attend, p->n_parts, enter_step, &rotate);
    else
        ops_attend(o, p->attend, p->n_parts);
    ops_linear(o, &(struct linear){.w = &w->o,
                                   .x = p->attn,
                                   .x_stride = w->o.n_in,
                                   .y = p->normed,
                                   .y_stride = c->hidden,
                                   .n_rows = p->n_rows,
                                   .then = THEN_ADD,
                                   .to = p->x});
}

static void mlp_block(const struct config *c, const struct decoder_layer_weights *w, struct ops *o,
                      struct piece *p)
{
    const int64_t stride = (int64_t)mlp_stride(c);
    norm_linear(
        c, o, p, &w->post_norm,
        (struct linear){.w = &w->gate_up, .y = p->mlp, .y_stride = stride, .then = THEN_SILU_MUL});
    ops_linear(o, &(struct linear){.w = &w->down,
                                   .x = p->mlp,
                                   .x_stride = stride,
                                   .y = p->normed,
                                   .y_stride = c->hidden,
                                   .n_rows = p->n_rows,
                                   .then = THEN_ADD,
                                   .to = p->x});
}

void layer_run(const struct config *c, const struct decoder_layer_weights *w, struct ops *o,
               struct piece *p, int layer)
{
    const bool traced = o->trace && layer == 0, step = is_step(p) && !traced;
    enter_attention(c, w, o, p, layer, step);
    leave_attention(c, w, o, p, step);
    if (traced) trace_rows(o, p, "decoder.layer.0.attn_out", c->hidden, p->normed);
    mlp_block(c, w, o, p);
    if (traced) trace_rows(o, p, "decoder.layer.0.mlp_out", c->hidden, p->normed);
}

void layer_run_last(const struct config *c, const struct decoder_layer_weights *w, struct ops *o,
                    struct piece *p)
{
    const int layer = c->n_layers - 1;
    if (p->n_wanted == p->n_rows) {
        layer_run(c, w, o, p, layer);
        return;
    }
    enter_attention(c, w, o, p, layer, false);
    keep_wanted(c, p, layer);
    if (p->n_rows == 0) return;
    leave_attention(c, w, o, p, false);
    mlp_block(c, w, o, p);
}
