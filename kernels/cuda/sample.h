/* SPDX-License-Identifier: MIT
 * Decode steps of several sequences that follow each other without the host: where a step begins,
 * and how its tokens are chosen. */
#ifndef CUDA_SAMPLE_H
#define CUDA_SAMPLE_H

#include "draw.h"
#include "queue.h"
#include "rows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* A sequence's newest token. Read and written on the device, so that one captured graph serves
 * every step. */
struct step_row {
    int32_t id, pos;
    int32_t rope_factors; // enum rope_factors
};

/* x = embeddings of the rows' tokens; cos and sin of their positions, f32 at every step
 * (docs/model.md, Rotary positions); the positions by themselves. */
struct step_begin {
    const struct step_row *rows; // [n]
    int n;
    struct dev_mat embed;
    float *x;                 // [n][hidden]
    float *cos, *sin;         // [n][half]
    const float *inv_freq[2]; // [half], by enum rope_factors
    float magnitude;
    int half;
    int *pos; // [n]
};
void step_begin_launch(struct queue *q, const struct step_begin *a);

struct choose {
    const float *logits; // [n][n_vocab]
    int n, n_vocab;
    struct draw *draw; // [n] settings; their streams go on
    unsigned char
        *seen;      // [n][n_vocab] ids that the repetition penalty counts; the chosen one is added
    uint32_t *keys; // [n][n_vocab] scratch
    uint64_t *weights;     // [n][n_vocab] scratch
    struct step_row *rows; // [n] the step's tokens and positions
    int *ids;              // [n][n_ids], memory of the host that the GPU can write
    int n_ids;
};
/* For each row the id that the engine would draw (engine/sample.h, draw.h); -1 when a logit is not
 * a number or the largest is infinite. Writes it to the row's ids[pos % n_ids], and makes it the
 * next token: id = that, pos += 1. */
void choose_launch(struct queue *q, const struct choose *c);

#ifdef __cplusplus
}
#endif
#endif
