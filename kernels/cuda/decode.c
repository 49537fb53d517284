/* SPDX-License-Identifier: MIT
 * One row of each of up to STEP_SEQS sequences through the decoder as a captured graph. Tokens and
 * positions lie on the GPU, and the step's last launch writes the next ones there, so the same
 * graph serves every step and several can be under way. The number of sequences and the most splits
 * of their keys are fixed in a graph; there is one for each that was needed. What a sequence gets
 * has the same bits whichever others stand beside it. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "device.h"
#include "gemv.h"
#include "sample.h"

enum {
    N_IDS = 64, // ring of a sequence's chosen ids
    AHEAD = 3   // steps under way while the host looks at ids
};
_Static_assert((int)STEP_SEQS <= (int)GEMV_MAX_VECTORS, "a step is one product of each matrix");

struct decode {
    cudaGraphExec_t graphs[STEP_SEQS][ATTEND_MAX_SPLITS]; // by sequences and splits, less one
    cudaEvent_t done[AHEAD];
    int max_blocks; // of a sequence
    /* on the GPU; a row for each sequence */
    void *memory;
    float *x, *qkv, *attn, *mlp, *wide, *logits, *cos, *sin, *parts;
    int *arrived, *pos;
    struct step_row *rows;      // the step's tokens and positions
    struct draw *draw;          // how the next token is drawn; the step goes on with its stream
    unsigned char *seen;        // [n_vocab], added to by the step
    uint32_t *keys;             // [n_vocab], of the draw under way
    uint64_t *weights;          // [n_vocab]
    struct bf16 **blocks;       // [max_blocks]
    struct bf16 *const **table; // where each row's blocks begin, as attention wants it
    /* pinned */
    void *pinned;
    struct step_row *host_rows;
    struct draw *host_draw;
    unsigned char *host_seen;  // [n_vocab]
    struct bf16 **host_blocks; // [max_blocks]: what blocks holds, up to n_blocks
    struct bf16 *const **host_table;
    int *ids; // [N_IDS], written by the GPU
    int n_blocks[STEP_SEQS];
};

/* -- Memory ------------------------------------------------------------------------------------ */

static void lay_gpu(struct decode *d, struct carve *m, const struct config *c)
{
    size_t n = STEP_SEQS, f = n * sizeof(float);
    d->x = carve(m, (size_t)c->hidden * f);
    d->qkv = carve(m, (size_t)qkv_width(c) * f);
    d->attn = carve(m, (size_t)(c->n_heads * c->head_dim) * f);
    d->mlp = carve(m, (size_t)c->intermediate * f);
    d->wide = carve(m, 2 * (size_t)c->intermediate * f);
    d->logits = carve(m, (size_t)c->n_vocab * f);
    d->cos = carve(m, (size_t)c->head_dim / 2 * f);
    d->sin = carve(m, (size_t)c->head_dim / 2 * f);
    d->parts = carve(m, attend_parts_floats(STEP_SEQS, c->n_heads, c->head_dim) * sizeof(float));
    d->arrived = carve(m, n * (size_t)c->n_heads * sizeof *d->arrived);
    d->pos = carve(m, n * sizeof *d->pos);
    d->rows = carve(m, n * sizeof *d->rows);
    d->draw = carve(m, n * sizeof *d->draw);
    d->seen = carve(m, n * (size_t)c->n_vocab);
    d->keys = carve(m, n * (size_t)c->n_vocab * sizeof *d->keys);
    d->weights = carve(m, n * (size_t)c->n_vocab * sizeof *d->weights);
    d->blocks = carve(m, n * (size_t)d->max_blocks * sizeof *d->blocks);
    d->table = carve(m, n * sizeof *d->table);
}

static void lay_pinned(struct decode *d, struct carve *m, const struct config *c)
{
    size_t n = STEP_SEQS;
    d->host_rows = carve(m, n * sizeof *d->host_rows);
    d->host_draw = carve(m, n * sizeof *d->host_draw);
    d->host_seen = carve(m, n * (size_t)c->n_vocab);
    d->host_blocks = carve(m, n * (size_t)d->max_blocks * sizeof *d->host_blocks);
    d->host_table = carve(m, n * sizeof *d->host_table);
    d->ids = carve(m, n * N_IDS * sizeof *d->ids);
}

void decode_free(struct decode *d)
{
    if (!d) return;
    for (int n = 0; n < STEP_SEQS; n++)
        for (int i = 0; i < ATTEND_MAX_SPLITS; i++)
            if (d->graphs[n][i]) cudaGraphExecDestroy(d->graphs[n][i]);
    for (int i = 0; i < AHEAD; i++)
        if (d->done[i]) cudaEventDestroy(d->done[i]);
    cudaFree(d->memory);
    cudaFreeHost(d->pinned);
    free(d);
}

int decode_new(struct backend_state *s, struct phi3v_error *err)
{
    const struct config *c = s->b->config;
    struct decode *d = calloc(1, sizeof *d);
    if (!d) return err_set(err, PHI3V_E_MEMORY, "not enough memory for a session");
    s->decode = d;
    d->max_blocks = (int)((c->max_positions + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK);
    struct carve gpu = {0}, pinned = {0};
    lay_gpu(d, &gpu, c);
    lay_pinned(d, &pinned, c);
    cudaError_t rc = cudaMalloc(&d->memory, gpu.used);
    if (rc == cudaSuccess) rc = cudaMallocHost(&d->pinned, pinned.used);
    for (int i = 0; i < AHEAD && rc == cudaSuccess; i++)
        rc = cudaEventCreateWithFlags(&d->done[i], cudaEventDisableTiming);
    if (rc != cudaSuccess) return device_error(rc, "a session", gpu.used, err);
    lay_gpu(d, &(struct carve){.base = d->memory}, c);
    lay_pinned(d, &(struct carve){.base = d->pinned}, c);
    for (int i = 0; i < STEP_SEQS; i++) {
        d->host_table[i] = d->blocks + (size_t)i * (size_t)d->max_blocks;
        d->host_draw[i] = (struct draw){0}; // a penalty of 0 is not plain: the first step sets it
    }
    queue_zero(&s->q, d->memory, gpu.used); /* the counters of attention begin at zero */
    queue_copy(&s->q, d->table, d->host_table, STEP_SEQS * sizeof *d->table);
    queue_wait(&s->q);
    return queue_error(&s->q, err);
}

/* -- The step ---------------------------------------------------------------------------------- */

/* A step of n sequences, none of which takes more splits. */
struct step {
    struct backend_state *s;
    int n, n_splits;
};

static void gemv(const struct step *p, const char *name, const struct dev_mat *w, const float *x,
                 const float *norm, float *y, enum gemv_then then)
{
    gemv_launch(&p->s->q, name,
                &(struct gemv){.w = *w,
                               .n = p->n,
                               .x = x,
                               .norm = norm,
                               .eps = p->s->b->config->rms_norm_eps,
                               .y = y,
                               .then = then,
                               .wide = p->s->decode->wide});
}

static void queue_layer(const struct step *p, int layer)
{
    struct backend_state *s = p->s;
    const struct config *c = s->b->config;
    const struct dev_layer *l = &s->b->w.layers[layer];
    struct decode *d = s->decode;
    gemv(p, "gemv.qkv", &l->qkv, d->x, l->input_norm, d->qkv, GEMV_STORE);
    attend_decode_launch(&s->q, &(struct attend_decode){
                                    .qkv = d->qkv,
                                    .cos = d->cos,
                                    .sin = d->sin,
                                    .tables = (struct bf16 *const *const *)d->table,
                                    .pos = d->pos,
                                    .k_offset = kv_elements(s->b, layer, 0),
                                    .v_offset = kv_elements(s->b, layer, 1),
                                    .n_rows = p->n,
                                    .n_heads = c->n_heads,
                                    .n_kv_heads = c->n_kv_heads,
                                    .head_dim = c->head_dim,
                                    .n_splits = p->n_splits,
                                    .is_q8 = s->b->kv_q8,
                                    .parts = d->parts,
                                    .arrived = d->arrived,
                                    .out = d->attn,
                                    .out_stride = c->n_heads * c->head_dim,
                                    .n_keys_hint = d->host_rows[0].pos,
                                });
    gemv(p, "gemv.o", &l->o, d->attn, NULL, d->x, GEMV_ADD);
    gemv(p, "gemv.gate_up", &l->gate_up, d->x, l->post_norm, d->mlp, GEMV_SILU_MUL);
    gemv(p, "gemv.down", &l->down, d->mlp, NULL, d->x, GEMV_ADD);
}

/* All launches of a step: five a layer, and three. */
static void queue_step(const struct step *p)
{
    struct backend_state *s = p->s;
    const struct config *c = s->b->config;
    const struct dev_weights *w = &s->b->w;
    struct decode *d = s->decode;
    step_begin_launch(&s->q, &(struct step_begin){.rows = d->rows,
                                                  .n = p->n,
                                                  .embed = w->embed,
                                                  .x = d->x,
                                                  .cos = d->cos,
                                                  .sin = d->sin,
                                                  .inv_freq = {w->inv_freq[0], w->inv_freq[1]},
                                                  .magnitude = w->magnitude,
                                                  .half = c->head_dim / 2,
                                                  .pos = d->pos});
    for (int i = 0; i < c->n_layers; i++) queue_layer(p, i);
    gemv(p, "gemv.head", &w->head, d->x, w->final_norm, d->logits, GEMV_STORE);
    choose_launch(&s->q, &(struct choose){.logits = d->logits,
                                          .n = p->n,
                                          .n_vocab = c->n_vocab,
                                          .draw = d->draw,
                                          .seen = d->seen,
                                          .keys = d->keys,
                                          .weights = d->weights,
                                          .rows = d->rows,
                                          .ids = d->ids,
                                          .n_ids = N_IDS});
}

static void capture(const struct step *p, cudaGraphExec_t *ret)
{
    struct queue *q = &p->s->q;
    cudaGraph_t graph = NULL;
    queue_check(q, "capture", cudaStreamBeginCapture(q->stream, cudaStreamCaptureModeThreadLocal));
    queue_step(p);
    queue_check(q, "capture", cudaStreamEndCapture(q->stream, &graph));
    if (q->status == cudaSuccess) queue_check(q, "graph", cudaGraphInstantiate(ret, graph, 0));
    if (graph) cudaGraphDestroy(graph);
}

/* One step of n sequences, the longest of n_keys. Timed launches run one by one, outside a graph.
 */
static void launch_step(struct backend_state *s, int n, int64_t n_keys)
{
    struct step p = {s, n, attend_splits(n_keys)};
    cudaGraphExec_t *graph = &s->decode->graphs[n - 1][p.n_splits - 1];
    if (s->q.profile) {
        queue_step(&p);
        return;
    }
    if (!*graph) capture(&p, graph);
    if (s->q.status == cudaSuccess)
        queue_check(&s->q, "graph", cudaGraphLaunch(*graph, s->q.stream));
}

/* -- Between host and GPU ---------------------------------------------------------------------- */

/* A row's first n_blocks blocks where the graph finds them. Entries that are the same stay, so a
 * growing sequence sends one address every 64 steps. */
static void set_blocks(struct backend_state *s, int row, const int *ids, int n_blocks)
{
    struct decode *d = s->decode;
    size_t of_row = (size_t)row * (size_t)d->max_blocks;
    struct bf16 *at[64], **host = d->host_blocks + of_row;
    int first = -1;
    for (int i = 0; i < n_blocks; i += 64) {
        int n = n_blocks - i < 64 ? n_blocks - i : 64;
        kv_pool_resolve(&s->b->kv, ids + i, n, at);
        for (int k = 0; k < n; k++) {
            bool same = i + k < d->n_blocks[row] && host[i + k] == at[k];
            if (!same && first < 0) first = i + k;
            if (!same) host[i + k] = at[k];
        }
    }
    d->n_blocks[row] = n_blocks;
    if (first >= 0)
        queue_copy(&s->q, d->blocks + of_row + first, host + first,
                   (size_t)(n_blocks - first) * sizeof *d->blocks);
}

/* How a row's tokens are drawn; seen: NULL where that makes no difference. */
static void set_draw(struct backend_state *s, int row, const struct draw *draw,
                     const unsigned char *seen)
{
    struct decode *d = s->decode;
    size_t n_vocab = (size_t)s->b->config->n_vocab, of_row = (size_t)row * n_vocab;
    d->host_draw[row] = *draw;
    queue_copy(&s->q, d->draw + row, d->host_draw + row, sizeof *d->draw);
    if (draw->repetition_penalty == 1 || !seen) return;
    memcpy(d->host_seen + of_row, seen, n_vocab);
    queue_copy(&s->q, d->seen + of_row, d->host_seen + of_row, n_vocab);
}

static void set_row(struct backend_state *s, int row, struct step_row from, const int *blocks,
                    int n_steps)
{
    int64_t end = (int64_t)from.pos + n_steps;
    set_blocks(s, row, blocks, (int)((end + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK));
    s->decode->host_rows[row] = from;
}

static void send_rows(struct backend_state *s, int n)
{
    struct decode *d = s->decode;
    queue_copy(&s->q, d->rows, d->host_rows, (size_t)n * sizeof *d->rows);
}

static int64_t longest(const struct decode *d, int n)
{
    int64_t pos = 0;
    for (int i = 0; i < n; i++)
        if (d->host_rows[i].pos > pos) pos = d->host_rows[i].pos;
    return pos + 1;
}

/* Sequences first … first + n - 1. The engine draws from the logits: what the step chooses is not
 * looked at, so it is what costs least. */
static void step_some(struct backend_state *s, const struct batch *b, int first, int n)
{
    static const struct draw plain = {.top_p = 1, .repetition_penalty = 1};
    struct decode *d = s->decode;
    size_t n_vocab = (size_t)s->b->config->n_vocab;
    for (int i = 0; i < n; i++) {
        const struct batch_seq *seq = &b->seqs[first + i];
        struct step_row row = {seq->rows[0].id, (int32_t)seq->first_pos,
                               (int32_t)seq->rope_factors};
        if (!draw_is_plain(&d->host_draw[i])) set_draw(s, i, &plain, NULL);
        set_row(s, i, row, seq->blocks, 1);
    }
    send_rows(s, n);
    launch_step(s, n, longest(d, n));
    for (int i = 0; i < b->n_logit_rows; i++) {
        int row = b->logit_rows[i] - first;
        if (row >= 0 && row < n)
            queue_copy(&s->q, b->logits + (size_t)i * n_vocab, d->logits + (size_t)row * n_vocab,
                       n_vocab * sizeof *b->logits);
    }
}

int decode_step(struct backend_state *s, const struct batch *batch, struct phi3v_error *err)
{
    int rc = 0;
    for (int first = 0; first < batch->n_seqs && !rc; first += STEP_SEQS) {
        int n = batch->n_seqs - first < STEP_SEQS ? batch->n_seqs - first : STEP_SEQS;
        step_some(s, batch, first, n);
        rc = state_wait(s, batch->pulse, first, batch->n_seqs, err);
    }
    return rc;
}

/* The ids of step i, one of each sequence. True when any of them was the last that is wanted. */
static bool hand_out(const struct decode *d, int n, int i, backend_id_fn on_id, void *user)
{
    bool stop = false;
    for (int row = 0; row < n; row++) {
        int at = (d->host_rows[row].pos + i) % N_IDS;
        if (on_id(user, row, d->ids[row * N_IDS + at])) stop = true;
    }
    return stop;
}

/* Step i is launched while steps i - AHEAD + 1 … i - 1 are under way. */
int decode_ahead(struct backend_state *s, const struct decode_seq *seqs, int n, int n_steps,
                 backend_id_fn on_id, void *user, struct phi3v_error *err)
{
    struct decode *d = s->decode;
    int launched = 0;
    bool stop = false;
    for (int i = 0; i < n; i++) {
        struct step_row row = {seqs[i].id, (int32_t)seqs[i].pos, (int32_t)seqs[i].rope_factors};
        set_draw(s, i, seqs[i].draw, seqs[i].seen);
        set_row(s, i, row, seqs[i].blocks, n_steps);
    }
    send_rows(s, n);
    for (int i = 0; i < n_steps && !stop && s->q.status == cudaSuccess; i++) {
        for (; launched < n_steps && launched < i + AHEAD; launched++) {
            launch_step(s, n, longest(d, n) + launched);
            queue_check(&s->q, "step", cudaEventRecord(d->done[launched % AHEAD], s->q.stream));
        }
        queue_check(&s->q, "step", cudaEventSynchronize(d->done[i % AHEAD]));
        if (s->q.status == cudaSuccess) stop = hand_out(d, n, i, on_id, user);
    }
    queue_wait(&s->q); /* what runs ahead of a stop is thrown away */
    return queue_error(&s->q, err);
}
