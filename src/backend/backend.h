/* SPDX-License-Identifier: MIT
 * What a device must be able to do, as coarse calls, so that the CPU code and a CUDA module fit the
 * same table. Threading: one call at a time per `struct backend_state` (a session's work area);
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

enum { BACKEND_ABI = 10, BACKEND_STEP_SEQS = 8 /* the most that decode takes */ };

struct backend;       /* weights on a device */
struct backend_state; /* work area of one session: activations, scratch */

/* Gets an id drawn for the i-th sequence; returns non-zero to stop. */
typedef int (*backend_id_fn)(void *user, int i, int32_t id);

/* A sequence whose next tokens the device draws. */
struct decode_seq {
    int32_t id;        // its newest token
    int64_t pos;       // the position of id: the blocks hold positions 0 … pos - 1
    const int *blocks; // KV block ids covering positions 0 … pos + n_steps - 1
    enum rope_factors rope_factors;
    const struct draw *draw;   // settings and random state of the first draw
    const unsigned char *seen; // [n_vocab]: ids under the repetition penalty, including id
};

struct backend_table {
    int abi;                                      // BACKEND_ABI
    const char *(*name)(const struct backend *b); // "cpu (2 threads, avx512)"
    void (*close)(struct backend *b);
    const char *(*dtype)(const struct backend *b); // of the arithmetic; NULL: what the engine chose
    int (*piece_rows)(const struct backend *b);    // rows of a prompt to compute in one forward
    int (*step_seqs)(const struct backend *b);     // how many sequences should share one forward

    int (*state_new)(struct backend *b, struct backend_state **ret, struct phi3v_error *err);
    void (*state_free)(struct backend_state *s);

    /* Crops of one picture -> its feature rows (tower, merge, separators, projector). The crops
     * have the model's size, and there are 1 + rows * cols of them. The backend asks for them in
     * groups, so that it can compute with the upper rows while the host makes the others. *f is
     * NULL, or what an earlier call for the same crops left unfinished (never in a traced pass). On
     * success it is finished; after an error it holds what is done so far, or is NULL. */
    int (*encode)(struct backend_state *s, const struct crop_source *crops,
                  const struct trace *trace, const struct pulse *pulse, struct features **f,
                  struct phi3v_error *err);
    /* How many crops of unfinished features are done; NULL: the device keeps no such features. */
    int (*features_done)(const struct features *f);
    /* Finished features as f32 [features_rows][hidden], and features made from such data
     * (unaligned); NULL: the device cannot do that. Error: MEMORY. */
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
    /* Device memory that is left for blocks; NULL: they come from system memory. */
    size_t (*kv_budget)(const struct backend *b);
    /* Copies one block to another; NULL: the device cannot. */
    void (*kv_copy)(struct backend *b, int from, int to);
    void (*kv_fill)(struct backend *b, int id,
                    uint64_t seed); /* pseudo-random contents, for bench */

    /* Computes all rows, writes their keys and values, and returns the wanted logits. It works in
     * pieces of bounded memory; after CANCELLED the blocks' contents from first_pos on are
     * undefined. */
    int (*forward)(struct backend_state *s, const struct batch *batch, struct phi3v_error *err);

    /* The name of stage i and the seconds spent in it since the last call; returns -1 after the
     * last stage. NULL: not measured. */
    int (*stage)(struct backend_state *s, int i, const char **ret_name, double *ret_seconds);

    /* Decodes without the host between steps; NULL: the engine uses forward. Computes the row of
     * each sequence's id, then in each step the row of the id drawn before, for at most n_steps
     * rows, which all stay within the present rope factors. n is at most step_seqs(). The ids of a
     * step are those that engine/sample.h would draw from its logits (-1 when a logit is NaN or the
     * largest is infinite), the first with draw's random state and the ids marked in seen, each
     * later one with the state that the one before left. They are handed out step by step, in the
     * order of the sequences, on the calling thread; when on_id returns non-zero for one, the other
     * ids of that step still are. Handing out an id means that the row of the id before it is done;
     * the blocks' contents after that row are undefined. */
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
/* Opens a backend module by absolute path (PHI3V_BACKEND_DIR, then the installed libdir). weights
 * are as stored (they become bf16 on the GPU) or packed; kv_type is KV_BF16 or KV_Q8. The error
 * says what is missing. */
int backend_cuda_open(const char *device, const struct config *config,
                      const struct model_weights *weights, enum kv_type kv_type,
                      struct backend **ret, struct phi3v_error *err);

/* Whether there is a module to open; it may still fail to load, or find no GPU. */
bool backend_cuda_installed(void);
/* Describes the i-th usable GPU ("NVIDIA H200, 139.8 GiB, compute capability 9.0"). Returns 0, 1
 * after the last or, for i = 0, the error that backend_cuda_open would give. */
int backend_cuda_describe(int i, char *text, size_t n_bytes, struct phi3v_error *err);

/* A module exports one function of this type under the name BACKEND_ENTRY. abi is checked before
 * anything else, so it must stay first. */
#define BACKEND_ENTRY "phi3v_backend_entry"
struct backend_module {
    int abi; // the BACKEND_ABI it was built with
    int (*open)(const char *device, const struct config *config,
                const struct model_weights *weights, enum kv_type kv_type, struct backend **ret,
                struct phi3v_error *err);
    /* backend_cuda_describe of the module's GPUs. */
    int (*describe)(int i, char *text, size_t n_bytes, struct phi3v_error *err);
};
typedef const struct backend_module *(*backend_entry_fn)(void);

#endif
