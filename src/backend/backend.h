/* SPDX-License-Identifier: MIT
 * What a device must be able to do: coarse calls, so that the CPU code and a CUDA module fit behind
 * the same table. Threading: one call at a time per `struct backend_state` (a session's work area);
 * several states of one backend may run on several threads. */
#ifndef BACKEND_H
#define BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "draw.h"
#include "flow.h"
#include "kernels.h"
#include "weights/bind.h"
#include "weights/config.h"

enum { BACKEND_ABI = 10, BACKEND_STEP_SEQS = 8 /* that decode takes at most */ };

struct backend;       /* weights on a device */
struct backend_state; /* work area of one session: activations, scratch */

/* An id drawn for the i-th sequence; non-zero: stop. */
typedef int (*backend_id_fn)(void *user, int i, int32_t id);

/* A sequence whose next tokens the device draws. */
struct decode_seq {
    int32_t id;        // its newest token,
    int64_t pos;       // which stands there: the blocks hold positions 0 … pos - 1
    const int *blocks; // KV block ids covering positions 0 … pos + n_steps - 1
    enum rope_factors rope_factors;
    const struct draw *draw;   // settings and random state of the first draw
    const unsigned char *seen; // [n_vocab]: ids that its repetition penalty counts, with id
};

struct backend_table {
    int abi;                                      // BACKEND_ABI
    const char *(*name)(const struct backend *b); // "cpu (2 threads, avx512)"
    void (*close)(struct backend *b);
    const char *(*dtype)(const struct backend *b); // of the arithmetic; NULL: what the engine chose
    int (*piece_rows)(const struct backend *b); // rows of a prompt worth computing in one forward
    int (*step_seqs)(const struct backend *b);  // sequences whose steps are worth one forward

    int (*state_new)(struct backend *b, struct backend_state **ret, struct phi3v_error *err);
    void (*state_free)(struct backend_state *s);

    /* Crops of one picture -> its feature rows (tower, merge, separators, projector). The engine
     * hands over nothing but crops of the model's side, 1 + rows * cols of them. They are asked for
     * in groups: a device begins with those of the picture's upper rows while the host makes the
     * others. *f: NULL, or what an earlier call for the same crops has left unfinished (never in a
     * traced pass). On success it is finished; on an error it is what is done so far, or NULL. */
    int (*encode)(struct backend_state *s, const struct crop_source *crops,
                  const struct trace *trace, const struct pulse *pulse, struct features **f,
                  struct phi3v_error *err);
    /* Crops done of unfinished features; NULL: the device keeps none. */
    int (*features_done)(const struct features *f);
    /* Finished features as f32, [features_rows][hidden], and made of such (unaligned); NULL: the
     * device keeps them to itself. Error: MEMORY. */
    const float *(*features_data)(const struct features *f);
    int (*features_make)(int n_rows, int hidden, const void *data, struct features **ret,
                         struct phi3v_error *err);
    int (*features_rows)(const struct features *f);
    size_t (*features_bytes)(const struct features *f);
    void (*features_free)(struct features *f);

    /* KV blocks of KV_BLOCK positions, all layers. Ids are small integers. Thread-safe. */
    int (*kv_alloc)(struct backend *b, int n_blocks, int *ret_ids, struct phi3v_error *err);
    void (*kv_free)(struct backend *b, const int *ids, int n_blocks);
    size_t (*kv_block_bytes)(const struct backend *b);
    /* Bytes that blocks may take beside everything else; NULL: they come from the memory of the
     * system. */
    size_t (*kv_budget)(const struct backend *b);
    /* The contents of one block to another; NULL: it cannot. */
    void (*kv_copy)(struct backend *b, int from, int to);
    void (*kv_fill)(struct backend *b, int id,
                    uint64_t seed); /* pseudo-random contents, for bench */

    /* Computes all rows, writes their keys and values, gives the wanted logits. Rows are worked in
     * pieces of bounded memory; on CANCELLED the blocks behind first_pos hold no promise. */
    int (*forward)(struct backend_state *s, const struct batch *batch, struct phi3v_error *err);

    /* Seconds that went into stage i of the state's passes since this was last asked, and its name;
     * -1 behind the last stage. NULL: not measured. */
    int (*stage)(struct backend_state *s, int i, const char **ret_name, double *ret_seconds);

    /* Answers without the host between two steps; NULL: the engine takes forward's logits itself.
     * Computes the row of each sequence's id, then of each step the row of the id drawn before,
     * n_steps rows at most; they keep every sequence within its rope factors. n: at most
     * step_seqs(). Each step's ids are those that engine/sample.h draws from its logits (-1 when a
     * logit is no number or the largest is infinite), the first with draw's random state and the
     * ids marked in seen, each further one with what the one before left. They are handed out step
     * by step, in the order of the sequences, on the calling thread; when on_id returns non-zero
     * for one, the others' of that step still are. Handing out an id says that the row of the id
     * before it is done; behind that row the blocks hold no promise. */
    int (*decode)(struct backend_state *s, const struct decode_seq *seqs, int n, int n_steps,
                  backend_id_fn on_id, void *user, struct phi3v_error *err);
};

struct backend {
    const struct backend_table *table;
    /* the implementation's own fields follow */
};

struct pool;
/* The CPU backend: borrows config, weights and pool until close. */
int backend_cpu_open(const struct config *config, const struct model_weights *weights,
                     struct pool *pool, enum kv_type kv_type, struct backend **ret,
                     struct phi3v_error *err);
/* Opens a backend module by absolute path (PHI3V_BACKEND_DIR, then the installed libdir). weights:
 * as stored (then they are bf16 on the GPU) or packed; kv_type: KV_BF16 or KV_Q8. The error names
 * what is missing. */
int backend_cuda_open(const char *device, const struct config *config,
                      const struct model_weights *weights, enum kv_type kv_type,
                      struct backend **ret, struct phi3v_error *err);

/* Whether a module lies where one is looked for; it may still not load, or find no GPU. */
bool backend_cuda_installed(void);
/* The i-th GPU that can be used, described for people ("NVIDIA H200, 139.8 GiB, compute capability
 * 9.0"). 0; 1 behind the last; or, for i 0, the error that backend_cuda_open would give. */
int backend_cuda_describe(int i, char *text, size_t n_bytes, struct phi3v_error *err);

/* What a module exports: one function of this type under the name BACKEND_ENTRY. abi is looked at
 * before anything else, so it stays first for ever. */
#define BACKEND_ENTRY "phi3v_backend_entry"
struct backend_module {
    int abi; // BACKEND_ABI it was built with
    int (*open)(const char *device, const struct config *config,
                const struct model_weights *weights, enum kv_type kv_type, struct backend **ret,
                struct phi3v_error *err);
    /* backend_cuda_describe of the module's GPUs. */
    int (*describe)(int i, char *text, size_t n_bytes, struct phi3v_error *err);
};
typedef const struct backend_module *(*backend_entry_fn)(void);

#endif
