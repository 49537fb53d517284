/* SPDX-License-Identifier: MIT
 * Decoding: a matrix times one vector, bound by the bytes of the matrix. What stands before the
 * product (RMS norm) and behind it (residual sum, SiLU product) is part of the same launch. */
#ifndef CUDA_GEMV_H
#define CUDA_GEMV_H

#include "queue.h"

#ifdef __cplusplus
extern "C" {
#endif

enum gemv_then {
    GEMV_STORE,   // y[o] = w[o] . v
    GEMV_ADD,     // y[o] += w[o] . v
    GEMV_SILU_MUL // y[o] = silu(w[o] . v) * (w[o + n_out/2] . v)
};

struct gemv {
    struct dev_mat w;
    const float *x;    // [n_in]
    const float *norm; // [n_in]: v = x / sqrt(mean(x^2) + eps) * norm (phi3v.md 8); NULL: v = x
    float eps;
    float *y; // [n_out], or [n_out/2] for GEMV_SILU_MUL
    enum gemv_then then;
    float *wide; // [n_out] of scratch, for GEMV_SILU_MUL
};

/* Matrices up to this many columns fit: the vector stands in shared memory as f32. */
enum { GEMV_MAX_IN = 24576 };

void gemv_launch(struct queue *q, const char *name, const struct gemv *g);
/* Warps of a block, for n_tasks rows or row pairs over 2 n_sms blocks: the number between 8 and 16
 * that leaves the fewest warps without work in the last round. */
int gemv_warps(int n_tasks, int n_sms);

#ifdef __cplusplus
}
#endif
#endif
