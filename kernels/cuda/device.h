/* SPDX-License-Identifier: MIT
 * The module's structs: a model's weights on one GPU, and the work area of a session. Files:
 * module.c opens and closes, weights.c carries the weights over, kv_pool.c owns keys and values,
 * prefill.c runs rows through the decoder, decode.c one row of each of a few sequences as a
 * captured graph, vision.c pictures, staging.c their way to the GPU, product.c the products of
 * many rows by cuBLASLt. */
#ifndef CUDA_DEVICE_H
#define CUDA_DEVICE_H

#include <pthread.h>

#include "attend.h"
#include "backend/backend.h"
#include "model/rope.h"
#include "product.h"
#include "queue.h"
#include "rows.h"
#include "staging.h"

/* -- Memory ------------------------------------------------------------------------------------ */

/* Pieces of one allocation, 256-byte aligned. With base NULL it only counts, so that the same
 * function first measures and then hands out. */
struct carve {
    char *base;
    size_t used;
};
void *carve(struct carve *c, size_t n_bytes);

/* What the GPU could not give: PHI3V_E_MEMORY with what for, needed and free; any other failure
 * PHI3V_E_DEVICE. */
int device_error(cudaError_t rc, const char *what, size_t needed_bytes, struct phi3v_error *err);
/* The queue's first error, if there was one. */
int queue_error(const struct queue *q, struct phi3v_error *err);

/* -- Weights ----------------------------------------------------------------------------------- */

struct dev_layer {
    const float *input_norm, *post_norm; // [H]
    struct dev_mat qkv, o, gate_up, down;
};

struct dev_tower_layer {
    const float *norm1_w, *norm1_b, *norm2_w, *norm2_b; // [C]
    struct dev_mat qkv, out, fc1, fc2;                  // q, k and v as one matrix [3C][C]
    const struct bf16 *qkv_b, *fc1_b; // biases are stored as the product's output is
    const float *out_b, *fc2_b;
};

struct dev_weights {
    void *memory; // everything below
    size_t bytes;
    struct dev_mat embed, head;
    const float *final_norm;
    const float *inv_freq[2]; // [head_dim / 2], by enum rope_factors
    float magnitude;
    struct dev_layer *layers; // [n_layers], host
    struct dev_mat patch, proj0, proj2;
    const struct bf16 *proj0_b;
    const float *proj2_b, *class_token, *places, *pre_norm_w, *pre_norm_b, *sub_gn, *glb_gn;
    struct dev_tower_layer *tower; // [n_run_layers], host
};
/* Bytes that weights_upload will take of the GPU. */
size_t weights_dev_bytes(const struct config *c, const struct model_weights *w);
/* Copies by way of two pinned buffers, each with a stream, so that filling one overlaps with
 * sending the other. Errors: MEMORY, DEVICE. */
int weights_upload(const struct config *c, const struct model_weights *w, struct dev_weights *ret,
                   struct phi3v_error *err);
void weights_release(struct dev_weights *w);

/* -- Keys and values --------------------------------------------------------------------------- */

/* Blocks by number, taken from the GPU in slabs as needed and kept until close. Thread-safe. */
struct kv_pool {
    pthread_mutex_t lock;
    size_t block_bytes;
    int n_blocks, cap_blocks, n_free, n_slabs, cap_slabs;
    struct bf16 **blocks; // [n_blocks] by id
    int *free_ids;        // [n_free], a stack
    void **slabs;         // [n_slabs]
};
void kv_pool_init(struct kv_pool *p, size_t block_bytes);
void kv_pool_fini(struct kv_pool *p);
/* All n or none; error MEMORY with numbers. */
int kv_pool_take(struct kv_pool *p, int n, int *ret_ids, struct phi3v_error *err);
void kv_pool_give(struct kv_pool *p, const int *ids, int n);
/* Addresses of blocks. */
void kv_pool_resolve(struct kv_pool *p, const int *ids, int n, struct bf16 **ret);

/* -- Backend and sessions ---------------------------------------------------------------------- */

struct cuda_backend {
    struct backend base; // first
    const struct config *config;
    int device, n_sms, max_rows; // rows computed together
    bool overlap, kv_q8;         // keys and values: 8-bit integers, else bf16
    const char *dtype;
    struct dev_weights w;
    struct kv_pool kv;
    char name[320];
};

struct features { // pictures stay on the GPU
    int n_rows, hidden;
    float *data; // [n_rows][hidden]
};

enum {
    STEP_SEQS = BACKEND_STEP_SEQS, // sequences whose steps are computed together
    FEW_ROWS = 8,                  // parts of at most this many rows attend like decode steps
    FEW_AT_ONCE = 32,              // such rows in one launch
    LOGIT_ROWS = 128               // logits computed together
};

struct decode; // the graph of a step and what it reads: decode.c

struct backend_state {
    struct cuda_backend *b;
    struct queue q;
    struct products *products;
    struct decode *decode;
    void *memory;                  // of the GPU, everything below
    float *x, *cos, *sin, *logits; // [max_rows][H], [max_rows][half] twice, [LOGIT_ROWS][V]
    struct bf16 *normed, *qkv, *heads, *attn, *wide, *mlp;
    float *parts;
    int *arrived;
    struct bf16 *unpacked; // [unpack_elements]: a packed matrix, or a part of it
    int64_t unpack_elements;
    char *tables, *host_tables; // what a piece's launches read, and its image in pinned memory
    size_t tables_bytes;        // grown as needed
    void *picture;              // work memory of encode, grown as needed
    size_t picture_bytes;
    struct staging staging; // crops on their way
    cudaEvent_t done;
};

/* Waits for everything queued, calling the pulse on the way. Errors: CANCELLED (all work has ended
 * then, too), DEVICE. */
int state_wait(struct backend_state *s, const struct pulse *pulse, int64_t done, int64_t total,
               struct phi3v_error *err);

/* y = w x for many rows: product.h, or for a packed matrix its parts unpacked and multiplied. */
void product_any(struct backend_state *s, const struct product *p);

/* 16-bit units of a KV block before layer i's keys (values 0) or values (1): attend.h has the
 * layout. */
static inline int64_t kv_elements(const struct cuda_backend *b, int layer, int values)
{
    const struct config *c = b->config;
    return ((int64_t)layer * 2 + values) * c->n_kv_heads *
           kv_plane(b->kv_q8, pad_head(c->head_dim));
}
static inline int qkv_width(const struct config *c)
{
    return (c->n_heads + 2 * c->n_kv_heads) * c->head_dim;
}
/* prefill.c: all rows of a batch. */
int prefill_run(struct backend_state *s, const struct batch *batch, struct phi3v_error *err);

/* decode.c: one row of each sequence, any number of them; and steps that draw, of at most STEP_SEQS
 * (backend_table.decode). */
int decode_new(struct backend_state *s, struct phi3v_error *err);
void decode_free(struct decode *d);
int decode_step(struct backend_state *s, const struct batch *batch, struct phi3v_error *err);
int decode_ahead(struct backend_state *s, const struct decode_seq *seqs, int n, int n_steps,
                 backend_id_fn on_id, void *user, struct phi3v_error *err);

/* vision.c */
int vision_encode_cuda(struct backend_state *s, const struct crop_source *crops,
                       const struct trace *trace, const struct pulse *pulse, struct features **ret,
                       struct phi3v_error *err);
void features_release(struct features *f);

/* trace.c: tensors of the GPU, handed to a trace as f32; nothing happens when there is none.
 * Errors: CANCELLED, MEMORY, DEVICE. */
int trace_floats(struct backend_state *s, const struct trace *t, const char *name, int n_dims,
                 const int64_t *shape, const float *x, struct phi3v_error *err);
/* Rows of shape's last dimension, ld apart. */
int trace_rows(struct backend_state *s, const struct trace *t, const char *name, int n_dims,
               const int64_t *shape, const struct bf16 *x, int64_t ld, struct phi3v_error *err);
/* What a block adds to x is never stored by itself: x is kept before (NULL without a trace;
 * free()), and the change handed out. */
int trace_keep(struct backend_state *s, const struct trace *t, size_t n, const float *x,
               float **ret, struct phi3v_error *err);
int trace_change(struct backend_state *s, const struct trace *t, const char *name, int n_dims,
                 const int64_t *shape, const float *x, float *before, struct phi3v_error *err);

#endif
