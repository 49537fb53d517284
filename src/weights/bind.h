/* SPDX-License-Identifier: MIT
 * Binds names to fields: finds the tensors of docs/model.md, and checks their shapes against the
 * config. */
#ifndef WEIGHTS_BIND_H
#define WEIGHTS_BIND_H

#include "flow.h"
#include "kernels.h"
#include "weights/config.h"
#include "weights/safetensors.h"

struct vec { // widened to f32 at load: norms, biases, separators are small
    const float *data;
    int n;
};

struct vision_layer_weights {
    struct vec norm1_w, norm1_b, norm2_w, norm2_b;
    struct mat q, k, v, out; // [C][C]
    struct vec q_b, k_b, v_b, out_b;
    struct mat fc1, fc2; // [F][C], [C][F]
    struct vec fc1_b, fc2_b;
};

struct decoder_layer_weights {
    struct vec input_norm, post_norm;
    struct mat qkv;     // [(heads + 2*kv_heads)*head_dim][H]
    struct mat o;       // [H][heads*head_dim]
    struct mat gate_up; // [2*I][H]: gate rows first
    struct mat down;    // [H][I]
};

/* How the matrices are kept and multiplied. Embeddings stay as stored; norms and biases are f32. */
enum weights_form {
    FORM_F32,  // as stored, f32 arithmetic: exact
    FORM_BF16, // bf16 with bf16 activations
    FORM_Q8,   // 8 bits
    FORM_Q4    // 4 bits in most of the decoder's layers, 8 elsewhere
};

struct model_weights {
    struct mat embed;   // [V][H]
    struct mat lm_head; // [V][H]; the same data as embed when tied
    struct vec final_norm;
    int n_layers, n_vision_layers;
    struct decoder_layer_weights *layers; // [n_layers]
    struct vec glb_gn, sub_gn;            // [4C]
    struct mat proj0, proj2;              // [H][4C], [H][H]
    struct vec proj0_b, proj2_b;
    struct vec class_embedding;    // [C]
    struct mat patch_embedding;    // [C][3*P*P]
    struct vec position_embedding; // [(g*g)+1][C] flat
    struct vec pre_norm_w, pre_norm_b;
    struct vision_layer_weights *vision_layers; // [n_vision_layers]: those that run
    int64_t n_params;
    size_t bytes;        // of all tensors, in the form that is used
    size_t mapped_bytes; // how many of them are in mapped files
    enum weights_form form, vision_form;
    void *owned; // widened vectors and, for synthetic weights, everything
};

/* Packed files (weights/pack_file.h) give packed matrices. Every tensor the config asks for must be
 * there with its exact shape and a known type (including post_layernorm and the last tower layer,
 * which are never used; the embedding under any of its names). Other tensors are ignored, except
 * those that would change what is computed (biases, norms, adapters): UNSUPPORTED. `w` must outlive
 * the result. */
int model_weights_bind(const struct weights *w, const struct config *c,
                       struct model_weights *ret_weights, struct phi3v_error *err);
/* Finds a tensor by its name in the release, or NULL. A matrix that is used twice is stored once,
 * under any of its names. */
const struct tensor *model_weights_tensor(const struct weights *w, const struct config *c,
                                          const char *name);
struct pool;
/* The form of tower and projector that goes with a form of the decoder; only the decoder has 4
 * bits. */
enum weights_form vision_form_for(enum weights_form form);
/* Converts bound weights of a file to other forms in memory (tower and projector to vision_form),
 * on all threads of the pool; weights stored as bf16 stay in the file's map if bf16 is wanted. The
 * pulse gets the stored bytes done. The result does not depend on the threads. Errors: MEMORY,
 * CANCELLED (then only model_weights_fini may follow). */
int model_weights_pack(struct model_weights *mw, const struct config *c, enum weights_form form,
                       enum weights_form vision_form, struct pool *pool, const struct pulse *pulse,
                       struct phi3v_error *err);
/* Makes pseudo-random weights for config c in memory, on the threads of the pool, for
 * `bench --synthetic`: bf16 as in the release, or directly in `form`. */
int model_weights_synthetic(const struct config *c, enum weights_form form, struct pool *pool,
                            struct model_weights *ret_weights, struct phi3v_error *err);
void model_weights_fini(struct model_weights *mw);
/* The bytes that one decoded token reads: the matrices of the decoder's layers and the head. */
size_t model_weights_step_bytes(const struct model_weights *mw);
/* The most bytes that a row of activations takes when prepared for any of the matrices (kernels.h);
 * 0 when all are multiplied in f32. */
size_t model_weights_prepared_bytes(const struct model_weights *mw);

#endif
