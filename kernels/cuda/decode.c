/* SPDX-License-Identifier: MIT
 * One row of one sequence through the decoder as a captured graph. Token and position lie on the
 * card, and the step's last launch writes the next ones there, so the same graph serves every step
 * and several can be under way. The number of splits of the keys and the rope factors are fixed in
 * a graph; there is one for each that was needed. */
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "device.h"
#include "gemv.h"
#include "sample.h"

enum {
    N_LENGTHS = 3, // classes of context length
    N_IDS = 64,    // ring of chosen ids
    AHEAD = 3      // steps under way while the host looks at an id
};

/* Contexts of up to `keys` use `splits`: enough blocks to fill the card, few enough partial sums.
 */
static const struct {
    int64_t keys;
    int splits;
} lengths[N_LENGTHS] = {{128, 2}, {1024, 8}, {INT64_MAX, 16}};

struct decode {
    cudaGraphExec_t graphs[2][N_LENGTHS]; // by regime
    cudaEvent_t done[AHEAD];
    /* on the card */
    void *memory;
    float *x, *qkv, *attn, *mlp, *wide, *logits, *cos, *sin, *parts;
    int *arrived, *pos;
    struct row_source *next;    // the step's token and position
    struct draw *draw;          // how the next token is drawn; the step goes on with its stream
    unsigned char *seen;        // [n_vocab], added to by the step
    uint32_t *keys;             // [n_vocab], of the draw under way
    uint64_t *weights;          // [n_vocab]
    struct bf16 **blocks;       // [max_blocks]
    struct bf16 *const **table; // [1]: blocks, as attention wants it
    /* pinned */
    void *pinned;
    struct row_source *host_next;
    struct draw *host_draw;
    unsigned char *host_seen;        // [n_vocab]
    struct bf16 **host_blocks;       // what blocks holds, up to n_blocks
    struct bf16 *const **host_table; // [1]
    int *ids;                        // [N_IDS], written by the card
    int n_blocks;
};

static int max_blocks(const struct config *c)
{
    return (int)((c->max_positions + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK);
}

/* -- Memory ------------------------------------------------------------------------------------ */

static void lay_card(struct decode *d, struct carve *m, const struct config *c)
{
    size_t f = sizeof(float);
    d->x = carve(m, (size_t)c->hidden * f);
    d->qkv = carve(m, (size_t)qkv_width(c) * f);
    d->attn = carve(m, (size_t)(c->n_heads * c->head_dim) * f);
    d->mlp = carve(m, (size_t)c->intermediate * f);
    d->wide = carve(m, 2 * (size_t)c->intermediate * f);
    d->logits = carve(m, (size_t)c->n_vocab * f);
    d->cos = carve(m, (size_t)c->head_dim / 2 * f);
    d->sin = carve(m, (size_t)c->head_dim / 2 * f);
    d->parts = carve(m, attend_parts_floats(1, c->n_heads, c->head_dim) * f);
    d->arrived = carve(m, (size_t)c->n_heads * sizeof *d->arrived);
    d->pos = carve(m, sizeof *d->pos);
    d->next = carve(m, sizeof *d->next);
    d->draw = carve(m, sizeof *d->draw);
    d->seen = carve(m, (size_t)c->n_vocab);
    d->keys = carve(m, (size_t)c->n_vocab * sizeof *d->keys);
    d->weights = carve(m, (size_t)c->n_vocab * sizeof *d->weights);
    d->blocks = carve(m, (size_t)max_blocks(c) * sizeof *d->blocks);
    d->table = carve(m, sizeof *d->table);
}

static void lay_pinned(struct decode *d, struct carve *m, const struct config *c)
{
    d->host_next = carve(m, sizeof *d->host_next);
    d->host_draw = carve(m, sizeof *d->host_draw);
    d->host_seen = carve(m, (size_t)c->n_vocab);
    d->host_blocks = carve(m, (size_t)max_blocks(c) * sizeof *d->host_blocks);
    d->host_table = carve(m, sizeof *d->host_table);
    d->ids = carve(m, N_IDS * sizeof *d->ids);
}

void decode_free(struct decode *d)
{
    if (!d) return;
    for (int i = 0; i < 2 * N_LENGTHS; i++)
        if (d->graphs[i / N_LENGTHS][i % N_LENGTHS])
            cudaGraphExecDestroy(d->graphs[i / N_LENGTHS][i % N_LENGTHS]);
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
    struct carve card = {0}, pinned = {0};
    lay_card(d, &card, c);
    lay_pinned(d, &pinned, c);
    cudaError_t rc = cudaMalloc(&d->memory, card.used);
    if (rc == cudaSuccess) rc = cudaMallocHost(&d->pinned, pinned.used);
    for (int i = 0; i < AHEAD && rc == cudaSuccess; i++)
        rc = cudaEventCreateWithFlags(&d->done[i], cudaEventDisableTiming);
    if (rc != cudaSuccess) return device_error(rc, "a session", card.used, err);
    lay_card(d, &(struct carve){.base = d->memory}, c);
    lay_pinned(d, &(struct carve){.base = d->pinned}, c);
    d->host_table[0] = d->blocks;
    *d->host_draw = (struct draw){0};        // a penalty of 0 is not plain: the first step sets it
    queue_zero(&s->q, d->memory, card.used); /* the counters of attention begin at zero */
    queue_copy(&s->q, d->table, d->host_table, sizeof *d->table);
    queue_wait(&s->q);
    return queue_error(&s->q, err);
}

/* -- The step ---------------------------------------------------------------------------------- */

static void gemv(struct backend_state *s, const char *name, const struct dev_mat *w, const float *x,
                 const float *norm, float *y, enum gemv_then then)
{
    gemv_launch(&s->q, name,
                &(struct gemv){.w = *w,
                               .x = x,
                               .norm = norm,
                               .eps = s->b->config->rms_norm_eps,
                               .y = y,
                               .then = then,
                               .wide = s->decode->wide});
}

static void queue_layer(struct backend_state *s, int layer, int n_splits)
{
    const struct config *c = s->b->config;
    const struct dev_layer *l = &s->b->w.layers[layer];
    struct decode *d = s->decode;
    gemv(s, "gemv.qkv", &l->qkv, d->x, l->input_norm, d->qkv, GEMV_STORE);
    attend_decode_launch(&s->q, &(struct attend_decode){
                                    .qkv = d->qkv,
                                    .cos = d->cos,
                                    .sin = d->sin,
                                    .tables = (struct bf16 *const *const *)d->table,
                                    .pos = d->pos,
                                    .k_offset = kv_elements(s->b, layer, 0),
                                    .v_offset = kv_elements(s->b, layer, 1),
                                    .n_rows = 1,
                                    .n_heads = c->n_heads,
                                    .n_kv_heads = c->n_kv_heads,
                                    .head_dim = c->head_dim,
                                    .n_splits = n_splits,
                                    .is_q8 = s->b->kv_q8,
                                    .parts = d->parts,
                                    .arrived = d->arrived,
                                    .out = d->attn,
                                    .out_stride = c->n_heads * c->head_dim,
                                    .n_keys_hint = d->host_next->pos,
                                });
    gemv(s, "gemv.o", &l->o, d->attn, NULL, d->x, GEMV_ADD);
    gemv(s, "gemv.gate_up", &l->gate_up, d->x, l->post_norm, d->mlp, GEMV_SILU_MUL);
    gemv(s, "gemv.down", &l->down, d->mlp, NULL, d->x, GEMV_ADD);
}

/* All launches of a step: five a layer, and four. */
static void queue_step(struct backend_state *s, enum rope_regime regime, int n_splits)
{
    const struct config *c = s->b->config;
    const struct dev_weights *w = &s->b->w;
    struct decode *d = s->decode;
    struct angles a = {.cos = d->cos,
                       .sin = d->sin,
                       .inv_freq = w->inv_freq[regime],
                       .magnitude = w->magnitude,
                       .half = c->head_dim / 2};
    step_begin_launch(&s->q, d->x, &a, d->next, &w->embed, d->pos);
    for (int i = 0; i < c->n_layers; i++) queue_layer(s, i, n_splits);
    gemv(s, "gemv.head", &w->head, d->x, w->final_norm, d->logits, GEMV_STORE);
    choose_launch(&s->q, &(struct choose){.logits = d->logits,
                                          .n_vocab = c->n_vocab,
                                          .draw = d->draw,
                                          .seen = d->seen,
                                          .keys = d->keys,
                                          .weights = d->weights,
                                          .next = d->next,
                                          .ids = d->ids,
                                          .n_ids = N_IDS});
}

static void capture(struct backend_state *s, enum rope_regime regime, int n_splits,
                    cudaGraphExec_t *ret)
{
    struct queue *q = &s->q;
    cudaGraph_t graph = NULL;
    queue_check(q, "capture", cudaStreamBeginCapture(q->stream, cudaStreamCaptureModeThreadLocal));
    queue_step(s, regime, n_splits);
    queue_check(q, "capture", cudaStreamEndCapture(q->stream, &graph));
    if (q->status == cudaSuccess) queue_check(q, "graph", cudaGraphInstantiate(ret, graph, 0));
    if (graph) cudaGraphDestroy(graph);
}

/* One step for a context of n_keys. Timed launches run one by one, outside a graph. */
static void launch_step(struct backend_state *s, enum rope_regime regime, int64_t n_keys)
{
    int length = 0;
    while (n_keys > lengths[length].keys) length++;
    cudaGraphExec_t *graph = &s->decode->graphs[regime][length];
    if (s->q.profile) {
        queue_step(s, regime, lengths[length].splits);
        return;
    }
    if (!*graph) capture(s, regime, lengths[length].splits, graph);
    if (s->q.status == cudaSuccess)
        queue_check(&s->q, "graph", cudaGraphLaunch(*graph, s->q.stream));
}

/* -- Between host and card -----------------------------------------------------------------------
 */

/* The sequence's first n_blocks blocks where the graph finds them. Entries that are the same stay,
 * so a growing sequence sends one address every 64 steps. */
static void set_blocks(struct backend_state *s, const int *ids, int n_blocks)
{
    struct decode *d = s->decode;
    struct bf16 *at[64];
    int first = -1;
    for (int i = 0; i < n_blocks; i += 64) {
        int n = n_blocks - i < 64 ? n_blocks - i : 64;
        kv_pool_resolve(&s->b->kv, ids + i, n, at);
        for (int k = 0; k < n; k++) {
            bool same = i + k < d->n_blocks && d->host_blocks[i + k] == at[k];
            if (!same && first < 0) first = i + k;
            if (!same) d->host_blocks[i + k] = at[k];
        }
    }
    d->n_blocks = n_blocks;
    if (first >= 0)
        queue_copy(&s->q, d->blocks + first, d->host_blocks + first,
                   (size_t)(n_blocks - first) * sizeof *d->blocks);
}

/* How the steps' tokens are drawn; seen: NULL where that makes no difference. */
static void set_draw(struct backend_state *s, const struct draw *draw, const unsigned char *seen)
{
    struct decode *d = s->decode;
    size_t n_vocab = (size_t)s->b->config->n_vocab;
    *d->host_draw = *draw;
    queue_copy(&s->q, d->draw, d->host_draw, sizeof *d->draw);
    if (draw->repetition_penalty == 1 || !seen) return;
    memcpy(d->host_seen, seen, n_vocab);
    queue_copy(&s->q, d->seen, d->host_seen, n_vocab);
}

static void begin(struct backend_state *s, const struct batch_seq *seq, int n_steps)
{
    struct decode *d = s->decode;
    int64_t end = seq->first_pos + n_steps;
    set_blocks(s, seq->blocks, (int)((end + KEYS_PER_BLOCK - 1) / KEYS_PER_BLOCK));
    *d->host_next = (struct row_source){.id = seq->rows[0].id, .pos = (int32_t)seq->first_pos};
    queue_copy(&s->q, d->next, d->host_next, sizeof *d->next);
}

/* The engine draws from the logits: what the step chooses is not looked at, so it is what costs
 * least. */
int decode_step(struct backend_state *s, const struct batch *batch, struct phi3v_error *err)
{
    static const struct draw plain = {.top_p = 1, .repetition_penalty = 1};
    const struct batch_seq *seq = &batch->seqs[0];
    if (!draw_is_plain(s->decode->host_draw)) set_draw(s, &plain, NULL);
    begin(s, seq, 1);
    launch_step(s, seq->regime, seq->first_pos + 1);
    if (batch->n_logit_rows > 0)
        queue_copy(&s->q, batch->logits, s->decode->logits,
                   (size_t)s->b->config->n_vocab * sizeof *batch->logits);
    return state_wait(s, batch->pulse, 0, 1, err);
}

/* Step i is launched while steps i - AHEAD + 1 … i - 1 are under way. */
int decode_ahead(struct backend_state *s, const struct batch_seq *seq, int n_steps,
                 const struct draw *draw, const unsigned char *seen, backend_id_fn on_id,
                 void *user, struct phi3v_error *err)
{
    struct decode *d = s->decode;
    int launched = 0, stop = 0;
    set_draw(s, draw, seen);
    begin(s, seq, n_steps);
    for (int i = 0; i < n_steps && !stop && s->q.status == cudaSuccess; i++) {
        for (; launched < n_steps && launched < i + AHEAD; launched++) {
            launch_step(s, seq->regime, seq->first_pos + launched + 1);
            queue_check(&s->q, "step", cudaEventRecord(d->done[launched % AHEAD], s->q.stream));
        }
        queue_check(&s->q, "step", cudaEventSynchronize(d->done[i % AHEAD]));
        if (s->q.status == cudaSuccess) stop = on_id(user, d->ids[(seq->first_pos + i) % N_IDS]);
    }
    queue_wait(&s->q); /* what runs ahead of a stop is thrown away */
    return queue_error(&s->q, err);
}
