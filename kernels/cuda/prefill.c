/* SPDX-License-Identifier: MIT
 * Rows of any number of sequences through the decoder, in pieces of at most max_rows
 * (docs/model.md, Decoder).
 * A piece is planned on the host
 * - where its rows come from, where their keys go, which blocks a sequence has -, sent in one copy,
 * and queued as a whole. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "device.h"
#include "gemv.h"

/* Consecutive rows of one sequence within a piece. */
struct part {
    int first_row, n_rows;
    int64_t first_pos;
    int64_t first_block; // of the sequence, in the table of blocks
};

/* A piece as the GPU sees it; every array lies in the state's tables, twice: in the GPU's memory
 * and in the host's. */
struct tables {
    struct row_source *rows;    // [n_rows]
    struct bf16 **slots;        // [n_rows]: the block that a row's keys and values go to
    struct bf16 **blocks;       // of all parts' sequences, one behind the other
    struct bf16 *const **table; // [n_rows]: the row's sequence's first entry of blocks
    int *pos;                   // [n_rows]
};

struct pass {
    struct backend_state *s;
    const struct config *c;
    const struct batch *batch;
    struct part *parts; // [max_rows]
    int n_parts, n_rows;
    struct tables host, gpu;
    int64_t n_blocks;
    int seq, row;      // the next row
    int64_t first_row; // rows before the piece
    int next_logits;
    enum rope_factors rope_factors;
};

static int min_int(int a, int b) { return a < b ? a : b; }

/* -- Planning ---------------------------------------------------------------------------------- */

static struct tables lay_tables(struct carve *c, int n_rows, int64_t n_blocks)
{
    return (struct tables){
        .rows = carve(c, (size_t)n_rows * sizeof(struct row_source)),
        .slots = carve(c, (size_t)n_rows * sizeof(struct bf16 *)),
        .blocks = carve(c, (size_t)n_blocks * sizeof(struct bf16 *)),
        .table = carve(c, (size_t)n_rows * sizeof(struct bf16 *const *)),
        .pos = carve(c, (size_t)n_rows * sizeof(int)),
    };
}

/* Tables of at least n_bytes on both sides. Nothing is queued while a piece is planned. */
static int reserve_tables(struct backend_state *s, size_t n_bytes, struct phi3v_error *err)
{
    if (n_bytes <= s->tables_bytes) return 0;
    cudaFree(s->tables);
    cudaFreeHost(s->host_tables);
    s->tables = s->host_tables = NULL;
    s->tables_bytes = 0;
    cudaError_t rc = cudaMalloc((void **)&s->tables, n_bytes);
    if (rc == cudaSuccess) rc = cudaMallocHost((void **)&s->host_tables, n_bytes);
    if (rc != cudaSuccess) return device_error(rc, "tables", n_bytes, err);
    s->tables_bytes = n_bytes;
    return 0;
}

static int64_t blocks_until(int64_t pos) { return (pos + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK; }

/* A piece has one list of rope factors: the angles of its rows are computed in one launch. */
static bool joins(const struct pass *p, const struct batch_seq *seq)
{
    return p->n_rows == 0 || seq->rope_factors == p->rope_factors;
}

/* The next rows, at most n of them, as parts of their sequences. */
static void cut_piece(struct pass *p, int n)
{
    p->n_rows = p->n_parts = 0;
    p->n_blocks = 0;
    while (p->n_rows < n && p->seq < p->batch->n_seqs) {
        const struct batch_seq *seq = &p->batch->seqs[p->seq];
        if (seq->n_rows > p->row && !joins(p, seq)) return;
        int take = min_int(seq->n_rows - p->row, n - p->n_rows);
        if (take > 0) {
            p->rope_factors = seq->rope_factors;
            p->parts[p->n_parts++] = (struct part){.first_row = p->n_rows,
                                                   .n_rows = take,
                                                   .first_pos = seq->first_pos + p->row,
                                                   .first_block = p->n_blocks};
            p->n_blocks += blocks_until(seq->first_pos + p->row + take);
            p->n_rows += take;
            p->row += take;
        }
        if (p->row == seq->n_rows) {
            p->seq++;
            p->row = 0;
        }
    }
}

static void fill_part(struct pass *p, const struct part *part, const struct batch_seq *seq, int row)
{
    struct tables *h = &p->host;
    int n_blocks = (int)blocks_until(part->first_pos + part->n_rows);
    kv_pool_resolve(&p->s->b->kv, seq->blocks, n_blocks, h->blocks + part->first_block);
    for (int i = 0; i < part->n_rows; i++) {
        const struct prompt_row *from = &seq->rows[row + i];
        int64_t pos = part->first_pos + i;
        int at = part->first_row + i;
        const struct features *f = from->features;
        h->rows[at] = (struct row_source){
            .feature = f ? f->data + (int64_t)from->feature_row * f->hidden : NULL,
            .id = from->id,
            .pos = (int32_t)pos};
        h->slots[at] = h->blocks[part->first_block + pos / KEYS_PER_BLOCK];
        h->table[at] = p->gpu.blocks + part->first_block;
        h->pos[at] = (int)pos;
    }
}

static int plan_piece(struct pass *p, int n, struct phi3v_error *err)
{
    struct carve host = {0}, gpu = {0};
    int seq = p->seq, row = p->row;
    cut_piece(p, n);
    lay_tables(&gpu, p->n_rows, p->n_blocks);
    int rc = reserve_tables(p->s, gpu.used, err);
    if (rc) return rc;
    gpu = (struct carve){.base = p->s->tables};
    host = (struct carve){.base = p->s->host_tables};
    p->gpu = lay_tables(&gpu, p->n_rows, p->n_blocks);
    p->host = lay_tables(&host, p->n_rows, p->n_blocks);
    for (int i = 0; i < p->n_parts; i++) {
        while (p->batch->seqs[seq].n_rows == row) seq++, row = 0;
        fill_part(p, &p->parts[i], &p->batch->seqs[seq], row);
        row += p->parts[i].n_rows;
    }
    queue_copy(&p->s->q, p->s->tables, p->s->host_tables, gpu.used);
    return 0;
}

/* -- The layer --------------------------------------------------------------------------------- */

static void norm_rows(struct pass *p, const float *w)
{
    struct backend_state *s = p->s;
    rms_norm_launch(&s->q, &(struct norm){.x = s->x,
                                          .y = s->normed,
                                          .w = w,
                                          .n_rows = p->n_rows,
                                          .n = p->c->hidden,
                                          .ld = pad_row(p->c->hidden),
                                          .eps = p->c->rms_norm_eps});
}

/* y16 = w x, or x of the residual stream += w x when y16 is NULL. */
static void product(struct pass *p, const char *name, const struct dev_mat *w, const struct bf16 *x,
                    struct bf16 *y16)
{
    struct backend_state *s = p->s;
    product_any(s, &(struct product){.name = name,
                                     .w = *w,
                                     .x = x,
                                     .x_ld = pad_row(w->n_in),
                                     .n_rows = p->n_rows,
                                     .y16 = y16,
                                     .y32 = y16 ? NULL : s->x,
                                     .y_ld = y16 ? pad_row(w->n_out) : w->n_out,
                                     .add = !y16});
}

/* Rows of parts of few rows: each attends by itself. */
static void attend_few(struct pass *p, int layer, int first, int n, int64_t n_keys)
{
    struct backend_state *s = p->s;
    const struct config *c = p->c;
    int64_t width = (int64_t)c->n_heads * pad_head(c->head_dim),
            ld = pad_row((int64_t)c->n_heads * c->head_dim);
    for (int end = first + n; first < end; first += FEW_AT_ONCE)
        attend_decode_launch(&s->q, &(struct attend_decode){
                                        .q = s->heads + first * width,
                                        .tables = (struct bf16 *const *const *)p->gpu.table + first,
                                        .pos = p->gpu.pos + first,
                                        .k_offset = kv_elements(s->b, layer, 0),
                                        .v_offset = kv_elements(s->b, layer, 1),
                                        .n_rows = min_int(end - first, FEW_AT_ONCE),
                                        .n_heads = c->n_heads,
                                        .n_kv_heads = c->n_kv_heads,
                                        .head_dim = c->head_dim,
                                        .is_q8 = s->b->kv_q8,
                                        .n_splits = attend_splits(n_keys),
                                        .parts = s->parts,
                                        .arrived = s->arrived,
                                        .out16 = s->attn + first * ld,
                                        .out_stride = ld,
                                        .n_keys_hint = n_keys,
                                    });
}

static void attend_part(struct pass *p, int layer, const struct part *part)
{
    struct backend_state *s = p->s;
    const struct config *c = p->c;
    int d = pad_head(c->head_dim);
    int64_t width = (int64_t)c->n_heads * d, ld = pad_row((int64_t)c->n_heads * c->head_dim);
    attend_prefill_launch(&s->q, &(struct attend_prefill){
                                     .q = s->heads + part->first_row * width,
                                     .q_row = width,
                                     .q_head = d,
                                     .table = p->gpu.blocks + part->first_block,
                                     .k_offset = kv_elements(s->b, layer, 0),
                                     .v_offset = kv_elements(s->b, layer, 1),
                                     .is_q8 = s->b->kv_q8,
                                     .out = s->attn + part->first_row * ld,
                                     .out_row = ld,
                                     .n_batch = 1,
                                     .n_rows = part->n_rows,
                                     .n_heads = c->n_heads,
                                     .n_kv_heads = c->n_kv_heads,
                                     .head_dim = c->head_dim,
                                     .n_keys = (int)part->first_pos + part->n_rows,
                                     .causal = true,
                                     .first_pos = (int)part->first_pos,
                                 });
}

/* Runs of short parts together, long parts one by one. */
static void attend(struct pass *p, int layer)
{
    for (int i = 0; i < p->n_parts;) {
        int first = i, n = 0;
        int64_t n_keys = 0;
        for (; i < p->n_parts && p->parts[i].n_rows <= FEW_ROWS; n += p->parts[i++].n_rows)
            if (p->parts[i].first_pos + p->parts[i].n_rows > n_keys)
                n_keys = p->parts[i].first_pos + p->parts[i].n_rows;
        if (n > 0)
            attend_few(p, layer, p->parts[first].first_row, n, n_keys);
        else
            attend_part(p, layer, &p->parts[i++]);
    }
}

static void rotate_and_store(struct pass *p, int layer)
{
    struct backend_state *s = p->s;
    const struct config *c = p->c;
    split_heads_launch(&s->q, &(struct split_heads){
                                  .qkv = s->qkv,
                                  .ld = pad_row(qkv_width(c)),
                                  .cos = s->cos,
                                  .sin = s->sin,
                                  .q = s->heads,
                                  .slots = p->gpu.slots,
                                  .k_offset = kv_elements(s->b, layer, 0),
                                  .v_offset = kv_elements(s->b, layer, 1),
                                  .head_step = kv_plane(s->b->kv_q8, pad_head(c->head_dim)),
                                  .is_q8 = s->b->kv_q8,
                                  .pos = p->gpu.pos,
                                  .n_rows = p->n_rows,
                                  .n_heads = c->n_heads,
                                  .n_kv_heads = c->n_kv_heads,
                                  .head_dim = c->head_dim,
                              });
}

static void attention_block(struct pass *p, const struct dev_layer *l, int layer)
{
    rotate_and_store(p, layer);
    attend(p, layer);
    product(p, "product.o", &l->o, p->s->attn, NULL);
}

static void mlp_block(struct pass *p, const struct dev_layer *l)
{
    struct backend_state *s = p->s;
    int n = p->c->intermediate;
    norm_rows(p, l->post_norm);
    product(p, "product.gate_up", &l->gate_up, s->normed, s->wide);
    silu_mul_launch(&s->q, s->mlp, pad_row(n), s->wide, pad_row(2 * (int64_t)n), p->n_rows, n);
    product(p, "product.down", &l->down, s->mlp, NULL);
}

static void layer_run(struct pass *p, const struct dev_layer *l, int layer)
{
    norm_rows(p, l->input_norm);
    product(p, "product.qkv", &l->qkv, p->s->normed, p->s->qkv);
    attention_block(p, l, layer);
    mlp_block(p, l);
}

/* -- Traced passes ----------------------------------------------------------------------------- */

/* Head rows [n_rows][n_heads][d] as [n_heads][n_rows][head_dim]. */
static int trace_turned(struct pass *p, const struct trace *t, const char *name, int64_t heads,
                        const struct bf16 *from, struct phi3v_error *err)
{
    int64_t n = p->n_rows, used = p->c->head_dim, d = pad_head(p->c->head_dim);
    size_t bytes = (size_t)(heads * n * d) * sizeof *from;
    struct bf16 *host = malloc(bytes);
    float *to = malloc((size_t)(heads * n * used) * sizeof *to);
    int rc = host && to ? 0 : err_set(err, PHI3V_E_MEMORY, "not enough memory for a traced pass");
    if (!rc) {
        queue_copy(&p->s->q, host, from, bytes);
        queue_wait(&p->s->q);
        for (int64_t i = 0; i < heads * n * used; i++) {
            int64_t head = i / used / n, row = i / used % n;
            uint32_t bits = (uint32_t)host[(row * heads + head) * d + i % used].bits << 16;
            memcpy(&to[i], &bits, sizeof bits);
        }
        rc = queue_error(&p->s->q, err);
    }
    if (!rc && t->fn(name, 3, (int64_t[]){heads, n, used}, to, t->user))
        rc = err_set(err, PHI3V_E_CANCELLED, "cancelled");
    free(host);
    free(to);
    return rc;
}

/* The layer's keys go to their blocks, so they are turned once more for the trace, into memory of
 * its own. */
static int trace_heads(struct pass *p, const struct trace *t, struct phi3v_error *err)
{
    struct backend_state *s = p->s;
    const struct config *c = p->c;
    size_t n = (size_t)p->n_rows * (size_t)c->n_kv_heads * (size_t)pad_head(c->head_dim);
    struct bf16 *keys;
    cudaError_t status = cudaMalloc((void **)&keys, 2 * n * sizeof *keys);
    if (status != cudaSuccess)
        return device_error(status, "a traced pass", 2 * n * sizeof *keys, err);
    split_heads_launch(&s->q, &(struct split_heads){.qkv = s->qkv,
                                                    .ld = pad_row(qkv_width(c)),
                                                    .cos = s->cos,
                                                    .sin = s->sin,
                                                    .q = s->heads,
                                                    .k = keys,
                                                    .v = keys + n,
                                                    .n_rows = p->n_rows,
                                                    .n_heads = c->n_heads,
                                                    .n_kv_heads = c->n_kv_heads,
                                                    .head_dim = c->head_dim});
    int rc = trace_turned(p, t, "decoder.layer.0.q_rope", c->n_heads, s->heads, err);
    if (!rc) rc = trace_turned(p, t, "decoder.layer.0.k_rope", c->n_kv_heads, keys, err);
    cudaFree(keys);
    return rc;
}

/* The reference's tables hold every angle twice. */
static int trace_angles(struct pass *p, const struct trace *t, const char *name, const float *x,
                        struct phi3v_error *err)
{
    size_t half = (size_t)p->c->head_dim / 2, n = (size_t)p->n_rows;
    float *host = malloc(3 * n * half * sizeof *host), *twice = host + n * half;
    if (!host) return err_set(err, PHI3V_E_MEMORY, "not enough memory for a traced pass");
    queue_copy(&p->s->q, host, x, n * half * sizeof *host);
    queue_wait(&p->s->q);
    for (size_t r = 0; r < n; r++)
        for (size_t i = 0; i < 2 * half; i++) twice[2 * r * half + i] = host[r * half + i % half];
    int rc = queue_error(&p->s->q, err);
    if (!rc && t->fn(name, 2, (int64_t[]){p->n_rows, p->c->head_dim}, twice, t->user))
        rc = err_set(err, PHI3V_E_CANCELLED, "cancelled");
    free(host);
    return rc;
}

/* Layer 0, step by step. */
static int layer_traced(struct pass *p, const struct trace *t, const struct dev_layer *l,
                        struct phi3v_error *err)
{
    struct backend_state *s = p->s;
    int64_t hidden[2] = {p->n_rows, p->c->hidden}, qkv[2] = {p->n_rows, qkv_width(p->c)};
    size_t n = (size_t)p->n_rows * (size_t)p->c->hidden;
    float *before = NULL, *between = NULL;
    norm_rows(p, l->input_norm);
    int rc = trace_rows(s, t, "decoder.layer.0.input_norm", 2, hidden, s->normed,
                        pad_row(hidden[1]), err);
    if (!rc) rc = trace_keep(s, t, n, s->x, &before, err);
    product(p, "product.qkv", &l->qkv, s->normed, s->qkv);
    if (!rc) rc = trace_rows(s, t, "decoder.layer.0.qkv", 2, qkv, s->qkv, pad_row(qkv[1]), err);
    if (!rc) rc = trace_heads(p, t, err);
    attention_block(p, l, 0);
    if (!rc) rc = trace_keep(s, t, n, s->x, &between, err);
    if (!rc) rc = trace_change(s, t, "decoder.layer.0.attn_out", 2, hidden, s->x, before, err);
    mlp_block(p, l);
    if (!rc) rc = trace_change(s, t, "decoder.layer.0.mlp_out", 2, hidden, s->x, between, err);
    free(before);
    free(between);
    return rc;
}

static int layers_traced(struct pass *p, const struct trace *t, struct phi3v_error *err)
{
    struct backend_state *s = p->s;
    int64_t hidden[2] = {p->n_rows, p->c->hidden};
    int rc = trace_floats(s, t, "inputs_embeds", 2, hidden, s->x, err);
    if (!rc) rc = trace_angles(p, t, "rope.cos", s->cos, err);
    if (!rc) rc = trace_angles(p, t, "rope.sin", s->sin, err);
    for (int i = 0; i < p->c->n_layers && !rc; i++) {
        char name[64];
        snprintf(name, sizeof name, "decoder.layer.%d", i);
        if (i == 0)
            rc = layer_traced(p, t, &s->b->w.layers[i], err);
        else
            layer_run(p, &s->b->w.layers[i], i);
        if (!rc) rc = trace_floats(s, t, name, 2, hidden, s->x, err);
    }
    norm_rows(p, s->b->w.final_norm);
    if (!rc) rc = trace_rows(s, t, "final_norm", 2, hidden, s->normed, pad_row(hidden[1]), err);
    return rc;
}

/* -- Logits ------------------------------------------------------------------------------------ */

/* A few rows as decode steps take them, with f32 norms. */
static void head_few(struct pass *p, const int *rows, int n)
{
    struct backend_state *s = p->s;
    for (int i = 0; i < n; i++)
        gemv_launch(&s->q, "gemv.head",
                    &(struct gemv){.w = s->b->w.head,
                                   .n = 1,
                                   .x = s->x + (int64_t)rows[i] * p->c->hidden,
                                   .norm = s->b->w.final_norm,
                                   .eps = p->c->rms_norm_eps,
                                   .y = s->logits + (int64_t)i * p->c->n_vocab,
                                   .then = GEMV_STORE});
}

/* rows: of the piece, on the host; pos is free for their copy, attention being over. */
static void head_many(struct pass *p, const int *rows, int n)
{
    struct backend_state *s = p->s;
    const struct config *c = p->c;
    memcpy(p->host.pos, rows, (size_t)n * sizeof *rows);
    queue_copy(&s->q, p->gpu.pos, p->host.pos, (size_t)n * sizeof *rows);
    rms_norm_launch(&s->q, &(struct norm){.x = s->x,
                                          .y = s->normed,
                                          .rows = p->gpu.pos,
                                          .w = s->b->w.final_norm,
                                          .n_rows = n,
                                          .n = c->hidden,
                                          .ld = pad_row(c->hidden),
                                          .eps = c->rms_norm_eps});
    product_any(s, &(struct product){.name = "product.head",
                                     .w = s->b->w.head,
                                     .x = s->normed,
                                     .x_ld = pad_row(c->hidden),
                                     .n_rows = n,
                                     .y32 = s->logits,
                                     .y_ld = c->n_vocab});
}

/* The wanted logits of the piece, to the host. */
static void write_logits(struct pass *p)
{
    struct backend_state *s = p->s;
    const struct batch *b = p->batch;
    for (;;) {
        int rows[LOGIT_ROWS], n = 0;
        while (n < LOGIT_ROWS && p->next_logits + n < b->n_logit_rows) {
            int64_t row = b->logit_rows[p->next_logits + n] - p->first_row;
            if (row >= p->n_rows) break;
            rows[n++] = (int)row;
        }
        if (n == 0) return;
        queue_wait(&s->q); /* the row numbers of the round before have been read */
        if (n <= 4)
            head_few(p, rows, n);
        else
            head_many(p, rows, n);
        size_t n_vocab = (size_t)p->c->n_vocab;
        queue_copy(&s->q, b->logits + (size_t)p->next_logits * n_vocab, s->logits,
                   (size_t)n * n_vocab * sizeof(float));
        p->next_logits += n;
    }
}

/* -- The pass ---------------------------------------------------------------------------------- */

static int run_piece(struct pass *p, int n, int64_t total, struct phi3v_error *err)
{
    struct backend_state *s = p->s;
    struct angles a = {
        .cos = s->cos, .sin = s->sin, .half = p->c->head_dim / 2, .magnitude = s->b->w.magnitude};
    int rc = plan_piece(p, n, err);
    if (rc) return rc;
    a.inv_freq = s->b->w.inv_freq[p->rope_factors];
    embed_launch(&s->q, s->x, p->gpu.rows, &s->b->w.embed, p->n_rows);
    angles_launch(&s->q, &a, p->gpu.rows, p->n_rows);
    if (p->batch->trace)
        rc = layers_traced(p, p->batch->trace, err);
    else
        for (int i = 0; i < p->c->n_layers; i++) layer_run(p, &s->b->w.layers[i], i);
    if (!rc) write_logits(p);
    int waited = state_wait(s, p->batch->pulse, p->first_row, total, err);
    p->first_row += p->n_rows;
    return rc ? rc : waited;
}

static int check_row(const struct config *c, const struct prompt_row *row, struct phi3v_error *err)
{
    const struct features *f = row->features;
    if (!f && (row->id < 0 || row->id >= c->n_vocab))
        return err_set(err, PHI3V_E_ARGUMENT, "token id %d is outside 0 … %d", row->id,
                       c->n_vocab - 1);
    if (f && (row->feature_row < 0 || row->feature_row >= f->n_rows))
        return err_set(err, PHI3V_E_ARGUMENT, "feature row %d of a picture with %d rows",
                       row->feature_row, f->n_rows);
    return 0;
}

static int check_batch(const struct config *c, const struct batch *b, int64_t *ret_rows,
                       struct phi3v_error *err)
{
    *ret_rows = 0;
    for (int s = 0; s < b->n_seqs; s++) {
        const struct batch_seq *q = &b->seqs[s];
        int64_t n = q->first_pos + q->n_rows;
        if (n > c->max_positions)
            return err_set(err, PHI3V_E_TOO_LONG, "%lld tokens are %lld more than this model takes",
                           (long long)n, (long long)(n - c->max_positions));
        for (int i = 0; i < q->n_rows; i++) {
            int rc = check_row(c, &q->rows[i], err);
            if (rc) return rc;
        }
        *ret_rows += q->n_rows;
    }
    return 0;
}

int prefill_run(struct backend_state *s, const struct batch *batch, struct phi3v_error *err)
{
    struct pass p = {.s = s, .c = s->b->config, .batch = batch};
    int64_t total;
    int rc = check_batch(p.c, batch, &total, err);
    if (rc) return rc;
    if (batch->trace && total > s->b->max_rows)
        return err_set(err, PHI3V_E_UNSUPPORTED,
                       "a traced pass of %lld tokens; on the GPU at most %d are one piece",
                       (long long)total, s->b->max_rows);
    p.parts = malloc((size_t)s->b->max_rows * sizeof *p.parts);
    if (!p.parts) return err_set(err, PHI3V_E_MEMORY, "not enough memory for a pass");
    while (p.first_row < total && !rc) rc = run_piece(&p, s->b->max_rows, total, err);
    free(p.parts);
    if (!rc && batch->trace && batch->n_logit_rows > 0) {
        int64_t n = p.c->n_vocab;
        const float *last = batch->logits + (batch->n_logit_rows - 1) * n;
        if (batch->trace->fn("logits_last", 1, &n, last, batch->trace->user))
            rc = err_set(err, PHI3V_E_CANCELLED, "cancelled");
    }
    return rc;
}
