/* SPDX-License-Identifier: MIT */
#include "model/decoder.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "model/embed.h"
#include "model/layer.h"

/* Where the pass stands. */
struct pass {
    const struct decoder *d;
    struct ops *o;
    const struct batch *batch;
    char *const *const *seq_blocks;
    struct piece p;
    int seq, row;      // the next row: of this sequence, this one
    int64_t first_row; // rows of all sequences before the piece
    int next_logits;   // index into logit_rows
};

void decoder_init(struct decoder *d, const struct config *c, const struct model_weights *w,
                  enum kv_type kv_type)
{
    d->kv_type = kv_type;
    d->config = c;
    d->weights = w;
    rope_init(&d->rope, c);
}

size_t decoder_bytes(const struct decoder *d, int max_rows)
{
    return piece_bytes(d->config, max_rows, max_rows);
}

int64_t batch_rows(const struct batch *batch)
{
    int64_t n = 0;
    for (int i = 0; i < batch->n_seqs; i++) n += batch->seqs[i].n_rows;
    return n;
}

static int check_rows(const struct config *c, const struct batch *batch, struct phi3v_error *err)
{
    for (int s = 0; s < batch->n_seqs; s++)
        for (int i = 0; i < batch->seqs[s].n_rows; i++) {
            int rc = embed_check(c, &batch->seqs[s].rows[i], err);
            if (rc) return rc;
        }
    return 0;
}

/* -- A piece ---------------------------------------------------------------------------------- */

/* Rows of the piece whose logits are wanted: those of the batch from next_logits on. */
static void mark_wanted(struct pass *s)
{
    const struct batch *b = s->batch;
    s->p.n_wanted = 0;
    for (int i = s->next_logits; i < b->n_logit_rows; i++) {
        int64_t row = b->logit_rows[i] - s->first_row;
        if (row >= s->p.n_rows) break;
        s->p.wanted[s->p.n_wanted++] = (int)row;
    }
}

/* The next n rows, as parts of their sequences. Empty sequences make no part. */
static void cut_piece(struct pass *s, int n)
{
    struct piece *p = &s->p;
    p->n_rows = p->n_parts = 0;
    while (p->n_rows < n) {
        const struct batch_seq *seq = &s->batch->seqs[s->seq];
        int take = seq->n_rows - s->row < n - p->n_rows ? seq->n_rows - s->row : n - p->n_rows;
        if (take > 0) {
            p->parts[p->n_parts] = (struct piece_part){.first_row = p->n_rows,
                                                       .n_rows = take,
                                                       .first_pos = seq->first_pos + s->row,
                                                       .blocks = s->seq_blocks[s->seq]};
            for (int i = 0; i < take; i++) p->row_part[p->n_rows + i] = p->n_parts;
            p->n_parts++;
            p->n_rows += take;
            s->row += take;
        }
        if (s->row == seq->n_rows) {
            s->seq++;
            s->row = 0;
        }
    }
}

struct rows_in {
    const struct pass *s;
    int first_seq, first_row; // of the piece
};

/* Embeddings and rope angles of rows [begin, end) of the piece. */
static void enter_rows(struct ops *o, void *arg, int begin, int end)
{
    const struct rows_in *in = arg;
    const struct pass *s = in->s;
    const struct rope *rope = &s->d->rope;
    int seq = in->first_seq, row = in->first_row + begin;
    for (int i = begin; i < end; i++, row++) {
        while (row >= s->batch->seqs[seq].n_rows) row -= s->batch->seqs[seq++].n_rows;
        const struct batch_seq *from = &s->batch->seqs[seq];
        embed_row(s->d->weights, o->k, &from->rows[row], s->p.x + (size_t)i * s->d->config->hidden);
        rope_row(rope, from->rope_factors, from->first_pos + row, s->p.cos + (size_t)i * rope->half,
                 s->p.sin + (size_t)i * rope->half);
    }
}

/* The reference's tables hold every angle twice: [n_rows][head_dim]. attn is not in use yet. */
static void trace_angles(struct pass *s, const char *name, const float *half_rows)
{
    size_t half = (size_t)s->d->rope.half, bytes = half * sizeof(float);
    for (size_t r = 0; r < (size_t)s->p.n_rows; r++) {
        memcpy(s->p.attn + 2 * r * half, half_rows + r * half, bytes);
        memcpy(s->p.attn + (2 * r + 1) * half, half_rows + r * half, bytes);
    }
    ops_trace(s->o, name, 2, (int64_t[]){s->p.n_rows, s->d->config->head_dim}, s->p.attn);
}

static void trace_hidden(struct pass *s, const char *name, const float *rows)
{
    ops_trace(s->o, name, 2, (int64_t[]){s->p.n_rows, s->d->config->hidden}, rows);
}

static void trace_inputs(struct pass *s)
{
    if (!s->o->trace) return;
    trace_hidden(s, "inputs_embeds", s->p.x);
    trace_angles(s, "rope.cos", s->p.cos);
    trace_angles(s, "rope.sin", s->p.sin);
}

/* Whoever traces sees all rows to the end. */
static void run_layers(struct pass *s)
{
    const struct config *c = s->d->config;
    const int64_t n_rows = s->p.n_rows;
    for (int i = 0; i < c->n_layers && !s->o->stopped; i++) {
        const struct decoder_layer_weights *w = &s->d->weights->layers[i];
        if (i == c->n_layers - 1 && !s->o->trace)
            layer_run_last(c, w, s->o, &s->p);
        else
            layer_run(c, w, s->o, &s->p, i);
        if (s->o->trace) {
            char name[64];
            snprintf(name, sizeof name, "decoder.layer.%d", i);
            trace_hidden(s, name, s->p.x);
        }
        ops_progress(s->o, s->first_row + n_rows * (i + 1) / c->n_layers);
    }
}

static void final_norm(struct pass *s, float *y, const float *x, int n_rows)
{
    const struct config *c = s->d->config;
    const struct norm norm = {.w = s->d->weights->final_norm.data, .eps = c->rms_norm_eps};
    ops_norm(s->o, &norm, y, x, n_rows, c->hidden);
}

/* Logits of the piece's wanted rows, whose final norms are gathered at the head of normed. */
static void write_logits(struct pass *s)
{
    const struct batch *b = s->batch;
    size_t hidden = (size_t)s->d->config->hidden;
    const int first = s->next_logits, n = s->p.n_wanted;
    if (n == 0) return; /* there may be no room for logits at all */
    for (int i = 0; i < n; i++)
        final_norm(s, s->p.normed + (size_t)i * hidden, s->p.x + (size_t)s->p.wanted[i] * hidden,
                   1);
    const struct mat *head = &s->d->weights->lm_head;
    ops_linear(s->o, &(struct linear){.w = head,
                                      .x = s->p.normed,
                                      .x_stride = (int64_t)hidden,
                                      .y = b->logits + (size_t)first * (size_t)head->n_out,
                                      .y_stride = head->n_out,
                                      .n_rows = n});
    s->next_logits += n;
}

static void trace_outputs(struct pass *s)
{
    if (!s->o->trace) return;
    final_norm(s, s->p.normed, s->p.x, s->p.n_rows);
    trace_hidden(s, "final_norm", s->p.normed);
}

static void run_piece(struct pass *s, int n_rows)
{
    struct rows_in in = {.s = s, .first_seq = s->seq, .first_row = s->row};
    cut_piece(s, n_rows);
    mark_wanted(s);
    ops_rows(s->o, n_rows, enter_rows, &in);
    trace_inputs(s);
    run_layers(s);
    trace_outputs(s);
    write_logits(s);
    s->first_row += n_rows;
    ops_progress(s->o, s->first_row);
}

/* -- The pass --------------------------------------------------------------------------------- */

int decoder_run(const struct decoder *d, struct ops *o, struct arena *a, int max_rows,
                const struct batch *batch, char *const *const *seq_blocks, struct phi3v_error *err)
{
    int rc = check_rows(d->config, batch, err);
    if (rc) return rc;
    int64_t n_rows = batch_rows(batch);
    assert(!batch->trace || n_rows <= max_rows);
    struct pass s = {.d = d, .o = o, .batch = batch, .seq_blocks = seq_blocks};
    size_t mark = arena_mark(a);
    piece_take(&s.p, d->config, a, max_rows, max_rows);
    s.p.kv_type = d->kv_type;
    int64_t n_pieces =
        (n_rows + max_rows - 1) / max_rows; // of equal size: none is wastefully small
    for (int64_t i = 0; i < n_pieces && !o->stopped; i++)
        run_piece(&s, (int)((i + 1) * n_rows / n_pieces - i * n_rows / n_pieces));
    arena_release(a, mark);
    int n_vocab = d->weights->lm_head.n_out;
    if (batch->n_logit_rows > 0)
        ops_trace(o, "logits_last", 1, (int64_t[]){n_vocab},
                  batch->logits + (size_t)(batch->n_logit_rows - 1) * (size_t)n_vocab);
    return ops_end(o, err);
}
