/* SPDX-License-Identifier: MIT
 * The vision tower: crops of one picture through its layers (docs/model.md, Vision tower), step by
 * step, so that whoever drives it may stop between steps and go on with other threads. Chunk after
 * chunk of rows, so that what one step hands on to the next is still in the cache. */
#ifndef MODEL_TOWER_H
#define MODEL_TOWER_H

#include "model/ops.h"
#include "weights/bind.h"

struct arena;

/* n crops of T tokens (class token first), C wide. */
struct tower {
    const struct config *c;
    const struct model_weights *w;
    int n, n_patches, n_tokens, width;
    int rows;  // n * T
    int chunk; // rows that go through norms and products together; traced: all
    enum kv_type kv_type;
    float *x;        // [n][T][C]: the residual stream, in the end the last layer's output
    int64_t stride;  // of rows of q and y
    float *q;        // [n][T][stride]
    float *normed;   // [chunk][C]
    float *attended; // [n][T][C]
    float *y[2];     // [chunk][stride] each: keys, values; a block's output
    int64_t mlp_stride;
    float *mlp;                   // [chunk][mlp_stride]
    struct attention *parts;      // [n]: of a crop
    struct attention *head_parts; // [n]: of some of its heads
};

/* A tower for n crops whose steps go over chunks that suit o. false: their tokens cannot be
 * counted, as with many traced crops of an absurd size. */
bool tower_init(struct tower *t, const struct config *c, const struct model_weights *w,
                const struct ops *o, int n);
/* What tower_enter takes of an arena. */
size_t tower_bytes(const struct tower *t);
/* Pixels [n][3][side][side] -> tokens before the first layer. Takes memory from a, which goes on
 * being used until the last step. */
void tower_enter(struct tower *t, struct ops *o, struct arena *a, const float *crops);
/* Steps 0 … tower_steps-1 in order leave the last layer's output in x. Each lasts a few
 * milliseconds. */
int tower_steps(const struct tower *t);
void tower_step(const struct tower *t, struct ops *o, int step);

#endif
