/* SPDX-License-Identifier: MIT
 * Names to fields: the tensors of phi3v.md 3 found, their shapes checked against the config. */
#ifndef WEIGHTS_BIND_H
#define WEIGHTS_BIND_H

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

struct model_weights {
    struct mat embed;   // [V][H]
    struct mat lm_head; // [V][H]; the same data as embed when tied
    struct vec final_norm;
    struct decoder_layer_weights *layers; // [n_layers]
    struct vec glb_gn, sub_gn;            // [4C]
    struct mat proj0, proj2;              // [H][4C], [H][H]
    struct vec proj0_b, proj2_b;
    struct vec class_embedding;    // [C]
    struct mat patch_embedding;    // [C][3*P*P]
    struct vec position_embedding; // [(g*g)+1][C] flat
    struct vec pre_norm_w, pre_norm_b;
    struct vision_layer_weights *vision_layers; // [n_run_layers]
    int64_t n_params;
    size_t bytes; // stored bytes of all tensors
    void *owned;  // widened vectors and, for synthetic weights, everything
};

/* Every tensor the config asks for must be there with its exact shape and a known type (the
 * never-used post_layernorm and last tower layer included); unknown names are ignored. `w` must
 * outlive the result. */
int model_weights_bind(const struct weights *w, const struct config *c,
                       struct model_weights *ret_weights, struct phi3v_error *err);
/* Pseudo-random bf16 weights of config c, made in memory (threads of the pool), for `bench
 * --synthetic`. */
struct pool;
int model_weights_synthetic(const struct config *c, struct pool *pool,
                            struct model_weights *ret_weights, struct phi3v_error *err);
void model_weights_fini(struct model_weights *mw);
/* Bytes that one decoded token reads: the matrices of n_layers decoder layers and the head. */
size_t model_weights_step_bytes(const struct model_weights *mw, int n_layers);

#endif
