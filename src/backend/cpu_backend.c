/* SPDX-License-Identifier: MIT
 * The CPU as a backend: src/model over this machine's kernels and threads. */
#include <stdio.h>
#include <string.h>

#include "backend/backend.h"
#include "backend/kv_store.h"
#include "base/err.h"
#include "base/mem.h"
#include "base/pool.h"
#include "model/decoder.h"
#include "model/kv.h"
#include "model/vision.h"

enum { PIECE_ROWS = 256, STEP_SEQS = 4 };

struct cpu_backend {
    struct backend base; // first, so that a struct backend * can be cast
    const struct config *config;
    const struct model_weights *weights;
    struct pool *pool;
    const struct kernels *kernels;
    struct kv_store *kv;
    struct decoder decoder;
    char name[80];
};

/* One session's work area. It has room for pieces of DECODER_PIECE rows of one sequence of any
 * length, so a decode step allocates nothing. */
struct backend_state {
    struct cpu_backend *b;
    struct ops ops;
    struct arena arena;
    char **blocks; // [cap_blocks]: memory of all sequences' blocks of a batch
    char ***seqs;  // [cap_seqs]: where each sequence's begin
    int64_t cap_blocks;
    int cap_seqs;
};

static struct cpu_backend *cpu_of(struct backend *b) { return (struct cpu_backend *)b; }

static const char *cpu_name_of(const struct backend *b)
{
    return ((const struct cpu_backend *)b)->name;
}

/* A piece is what a cancel can lose, and the unit of progress: about a second on a slow machine. */
static int cpu_piece_rows(const struct backend *b)
{
    (void)b;
    return PIECE_ROWS;
}

/* On two cores, four answers of the small model at once took about half the time they took one
 * after the other; with more the first one would have to wait. */
static int cpu_step_seqs(const struct backend *b)
{
    (void)b;
    return STEP_SEQS;
}

static void cpu_close(struct backend *base)
{
    if (!base) return;
    struct cpu_backend *b = cpu_of(base);
    kv_store_free(b->kv);
    mem_free(b);
}

/* -- States ----------------------------------------------------------------------------------- */

static void cpu_state_free(struct backend_state *s)
{
    if (!s) return;
    ops_fini(&s->ops);
    arena_fini(&s->arena);
    mem_free(s->blocks);
    mem_free(s->seqs);
    mem_free(s);
}

static int reserve_blocks(struct backend_state *s, int64_t n_blocks, int n_seqs,
                          struct phi3v_error *err)
{
    if (n_blocks > s->cap_blocks) {
        char **blocks = mem_resize(s->blocks, (size_t)n_blocks, sizeof *blocks);
        if (!blocks) return err_memory(err, "block tables", (size_t)n_blocks * sizeof *blocks);
        s->blocks = blocks;
        s->cap_blocks = n_blocks;
    }
    if (n_seqs > s->cap_seqs) {
        char ***seqs = mem_resize(s->seqs, (size_t)n_seqs, sizeof *seqs);
        if (!seqs) return err_memory(err, "block tables", (size_t)n_seqs * sizeof *seqs);
        s->seqs = seqs;
        s->cap_seqs = n_seqs;
    }
    return 0;
}

/* Attention treats the tower's tokens as a sequence too. */
static int64_t longest_sequence(const struct config *c)
{
    int64_t tower = 4 * config_crop_tokens(c) + 1;
    return c->max_positions > tower ? c->max_positions : tower;
}

static int cpu_state_new(struct backend *base, struct backend_state **ret, struct phi3v_error *err)
{
    struct cpu_backend *b = cpu_of(base);
    const struct config *c = b->config;
    struct backend_state *s = mem_zalloc(sizeof *s);
    if (!s) return err_memory(err, "a session", sizeof *s);
    s->b = b;
    int64_t n_blocks = kv_blocks_for(longest_sequence(c));
    int head_dim = c->head_dim > c->vision.head_dim ? c->head_dim : c->vision.head_dim;
    size_t bytes = decoder_bytes(&b->decoder, DECODER_PIECE);
    int rc = ops_init(&s->ops, b->kernels, b->pool, head_dim, (int)n_blocks,
                      model_weights_prepared_bytes(b->weights), err);
    if (rc == 0) rc = reserve_blocks(s, n_blocks, 1, err);
    if (rc == 0 && arena_init(&s->arena, bytes)) rc = err_memory(err, "activations", bytes);
    if (rc)
        cpu_state_free(s);
    else
        *ret = s;
    return rc;
}

/* -- Pictures --------------------------------------------------------------------------------- */

static int cpu_encode(struct backend_state *s, const struct crop_source *crops,
                      const struct trace *trace, const struct pulse *pulse, struct features **f,
                      struct phi3v_error *err)
{
    ops_begin(&s->ops, pulse, trace, crops->n);
    return vision_encode(s->b->config, s->b->weights, &s->ops, crops, f, err);
}

static const float *cpu_features_data(const struct features *f) { return f->data; }

static int cpu_features_rows(const struct features *f) { return f->n_rows; }

/* -- Keys and values -------------------------------------------------------------------------- */

static int cpu_kv_alloc(struct backend *b, int n_blocks, int *ret_ids, struct phi3v_error *err)
{
    return kv_store_take(cpu_of(b)->kv, n_blocks, ret_ids, err);
}

static void cpu_kv_free(struct backend *b, const int *ids, int n_blocks)
{
    kv_store_give(cpu_of(b)->kv, ids, n_blocks);
}

static size_t cpu_kv_block_bytes(const struct backend *b)
{
    return kv_store_block_bytes(((const struct cpu_backend *)b)->kv);
}

static void cpu_kv_copy(struct backend *b, int from, int to)
{
    kv_store_copy(cpu_of(b)->kv, from, to);
}

/* Fills in values in [-1, 1); a linear congruence is random enough for timing attention. Heads
 * differ only in where they begin in the random sequence. */
static void cpu_kv_fill(struct backend *base, int id, uint64_t seed)
{
    struct cpu_backend *b = cpu_of(base);
    const struct config *c = b->config;
    const enum kv_type type = b->decoder.kv_type;
    const size_t packed = kv_packed_bytes(type, c->head_dim), step = kv_head_step(c, type);
    enum { MAX_HEAD = 2 * CONFIG_MAX_ROPE, LENGTH = 4099 };
    float numbers[LENGTH + 2 * MAX_HEAD];
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
        seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
        numbers[i] = (float)(int32_t)(seed >> 32) * 0x1p-31f;
    }
    char *block;
    kv_store_resolve(b->kv, &id, 1, &block);
    size_t from = 0;
    char *head = block;
    for (int i = 0; i < c->n_layers * c->n_kv_heads; i++, head += step)
        for (int at = 0; at < KV_BLOCK; at++, from = (from + 61) % LENGTH)
            b->kernels->kv_put(head, head + packed, type, at, numbers + from,
                               numbers + from + MAX_HEAD, c->head_dim);
}

/* -- Forward ---------------------------------------------------------------------------------- */

static int64_t seq_blocks(const struct batch_seq *q)
{
    return kv_blocks_for(q->first_pos + q->n_rows);
}

static int check_batch(const struct cpu_backend *b, const struct batch *batch,
                       struct phi3v_error *err)
{
    for (int i = 0; i < batch->n_seqs; i++) {
        int64_t n = batch->seqs[i].first_pos + batch->seqs[i].n_rows;
        if (n > b->config->max_positions)
            return err_set(err, PHI3V_E_TOO_LONG, "%lld tokens are %lld more than this model takes",
                           (long long)n, (long long)(n - b->config->max_positions));
    }
    return 0;
}

/* Turns the block ids of a whole batch into addresses. */
static int resolve_blocks(struct backend_state *s, const struct batch *batch,
                          struct phi3v_error *err)
{
    int64_t n = 0;
    for (int i = 0; i < batch->n_seqs; i++) n += seq_blocks(&batch->seqs[i]);
    int rc = reserve_blocks(s, n, batch->n_seqs, err);
    if (rc) return rc;
    char **next = s->blocks;
    for (int i = 0; i < batch->n_seqs; i++) {
        const struct batch_seq *q = &batch->seqs[i];
        s->seqs[i] = next;
        kv_store_resolve(s->b->kv, q->blocks, (int)seq_blocks(q), next);
        next += seq_blocks(q);
    }
    return 0;
}

static int run_batch(struct backend_state *s, struct arena *a, int max_rows,
                     const struct batch *batch, struct phi3v_error *err)
{
    ops_begin(&s->ops, batch->pulse, batch->trace, batch_rows(batch));
    return decoder_run(&s->b->decoder, &s->ops, a, max_rows, batch, (char *const *const *)s->seqs,
                       err);
}

static int cpu_forward(struct backend_state *s, const struct batch *batch, struct phi3v_error *err)
{
    int rc = check_batch(s->b, batch, err);
    if (rc == 0) rc = resolve_blocks(s, batch, err);
    if (rc) return rc;
    int64_t n_rows = batch_rows(batch);
    if (!batch->trace || n_rows <= DECODER_PIECE)
        return run_batch(s, &s->arena, DECODER_PIECE, batch, err);
    struct arena whole; // for a traced pass, which is one piece however long it is
    size_t bytes = decoder_bytes(&s->b->decoder, (int)n_rows);
    if (arena_init(&whole, bytes)) return err_memory(err, "a traced pass", bytes);
    rc = run_batch(s, &whole, (int)n_rows, batch, err);
    arena_fini(&whole);
    return rc;
}

static int cpu_stage(struct backend_state *s, int i, const char **ret_name, double *ret_seconds)
{
    static const char *const names[N_OPS_STAGES] = {[STAGE_ROWS] = "rows",
                                                    [STAGE_PRODUCTS] = "products",
                                                    [STAGE_PREPARE] = "preparing",
                                                    [STAGE_ATTENTION] = "attention",
                                                    [STAGE_NORMS] = "norms"};
    if (i < 0 || i >= N_OPS_STAGES) return -1;
    *ret_name = names[i];
    *ret_seconds = s->ops.spent_s[i];
    s->ops.spent_s[i] = 0;
    return 0;
}

/* -- The table -------------------------------------------------------------------------------- */

static const struct backend_table cpu_table = {
    .abi = BACKEND_ABI,
    .name = cpu_name_of,
    .close = cpu_close,
    .piece_rows = cpu_piece_rows,
    .step_seqs = cpu_step_seqs,
    .state_new = cpu_state_new,
    .state_free = cpu_state_free,
    .encode = cpu_encode,
    .features_data = cpu_features_data,
    .features_make = project_features_make,
    .features_rows = cpu_features_rows,
    .features_bytes = project_features_bytes,
    .features_done = project_features_done,
    .features_free = project_features_free,
    .kv_alloc = cpu_kv_alloc,
    .kv_free = cpu_kv_free,
    .kv_block_bytes = cpu_kv_block_bytes,
    .kv_copy = cpu_kv_copy,
    .kv_fill = cpu_kv_fill,
    .forward = cpu_forward,
    .stage = cpu_stage,
};

int backend_cpu_open(const struct config *config, const struct model_weights *weights,
                     struct pool *pool, enum kv_type kv_type, struct backend **ret,
                     struct phi3v_error *err)
{
    struct cpu_backend *b = mem_zalloc(sizeof *b);
    if (!b) return err_memory(err, "the CPU backend", sizeof *b);
    int rc =
        kv_store_new((size_t)config->n_layers * (size_t)config->n_kv_heads,
                     kv_head_bytes(config, kv_type), kv_slab_blocks(config, kv_type), &b->kv, err);
    if (rc) {
        mem_free(b);
        return rc;
    }
    b->base.table = &cpu_table;
    b->config = config;
    b->weights = weights;
    b->pool = pool;
    b->kernels = kernels_best();
    decoder_init(&b->decoder, config, weights, kv_type);
    int n = pool_threads(pool);
    snprintf(b->name, sizeof b->name, "cpu (%d thread%s, %s)", n, n == 1 ? "" : "s",
             b->kernels->level);
    *ret = &b->base;
    return 0;
}
