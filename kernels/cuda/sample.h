/* SPDX-License-Identifier: MIT
 * Decode steps that follow each other without the host: where a step begins, and how its token is
 * chosen. */
#ifndef CUDA_SAMPLE_H
#define CUDA_SAMPLE_H

#include "draw.h"
#include "queue.h"
#include "rows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x = embedding of the token in *next, cos and sin of its position. *next is read on the device, so
 * one captured graph serves every step. x: [hidden]. */
void step_begin_launch(struct queue *q, float *x, const struct angles *a,
                       const struct row_source *next, const struct dev_mat *embed, int *ret_pos);

struct choose {
    const float *logits; // [n_vocab]
    int n_vocab;
    struct draw *draw; // settings; its stream goes on
    unsigned char
        *seen;         // [n_vocab] ids that the repetition penalty counts; the chosen one is added
    uint32_t *keys;    // [n_vocab] scratch
    uint64_t *weights; // [n_vocab] scratch
    struct row_source *next; // the step's token and position
    int *ids;                // [n_ids], memory of the host that the card can write
    int n_ids;
};
/* The id that the engine would draw (engine/sample.h, draw.h); -1 when a logit is not a number or
 * the largest is infinite. Writes it to ids[next->pos % n_ids], and makes it the next token:
 * next->id = id, next->pos += 1. */
void choose_launch(struct queue *q, const struct choose *c);

#ifdef __cplusplus
}
#endif
#endif
