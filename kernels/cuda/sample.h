/* SPDX-License-Identifier: MIT
 * Decode steps that follow each other without the host: where a step begins, and how its token is
 * chosen. */
#ifndef CUDA_SAMPLE_H
#define CUDA_SAMPLE_H

#include "queue.h"
#include "rows.h"

#ifdef __cplusplus
extern "C" {
#endif

/* x = embedding of the token in *next, cos and sin of its position. *next is read on the device, so
 * one captured graph serves every step. x: [hidden]. */
void step_begin_launch(struct queue *q, float *x, const struct angles *a,
                       const struct row_source *next, const struct dev_mat *embed, int *ret_pos);

/* The likeliest id, the lowest among equals; -1 when a logit is not a number or the largest is
 * infinite (the engine's rule, engine/sample.h).
 * Writes it to ids[next->pos % n_ids] (memory of the host that the card can write), and makes it
 * the next token: next->id = id, next->pos += 1. */
void argmax_launch(struct queue *q, const float *logits, int n, struct row_source *next, int *ids,
                   int n_ids);

#ifdef __cplusplus
}
#endif
#endif
