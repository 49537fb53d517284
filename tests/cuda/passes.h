/* SPDX-License-Identifier: MIT
 * What tests below the engine share: synthetic weights, opened on a GPU or on the CPU, and a
 * sequence of everything (a picture, a prompt, steps, drawn tokens) computed with them. Helpers
 * fail the running cmocka test when something goes wrong. */
#ifndef CUDA_PASSES_H
#define CUDA_PASSES_H

#include "base/pool.h"
#include "fixture.h"

enum { PASSES_STEPS = 3, PASSES_DRAWN = 6 };

struct passes_model {
    struct config config;
    struct model_weights weights;
    struct pool *pool;
};

/* Weights from the config alone: the same in every process. */
void passes_open(struct passes_model *m, const struct config *c, enum weights_form form,
                 int n_threads);
void passes_close(struct passes_model *m);
struct backend *passes_cpu(const struct passes_model *m); // keys and values f32
struct backend *passes_gpu(const struct passes_model *m, enum kv_type kv);

/* mem_free(data) */
struct crops passes_crops(const struct config *c, int rows, int cols);
/* Logits behind a prompt with a picture and behind each of the steps that follow:
 * [1 + PASSES_STEPS][n_vocab]. ids: NULL, or [PASSES_DRAWN] tokens that the device draws behind
 * them. */
void passes_run(struct backend *b, const struct config *c, float *logits, int32_t *ids);
/* Root mean square of the difference, as a share of b's own. */
double passes_distance(const float *a, const float *b, size_t n);

#endif
