/* SPDX-License-Identifier: MIT
 * Decoding: a matrix times the vectors of up to eight sequences, bound by the bytes of the matrix,
 * which are read once for all of them. What stands before the product (RMS norm) and behind it
 * (residual sum, SiLU product) is part of the same launch. A vector's result has the same bits
 * whichever others stand beside it: every sum is taken in the same order. */
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
    int n;             // vectors
    const float *x;    // [n][n_in]; where n_in is a multiple of 4, aligned to 16 bytes
    const float *norm; // [n_in]: v = rms(x, norm) (docs/model.md, Decoder); NULL: v = x
    float eps;
    float *y; // [n][n_out], or [n][n_out/2] for GEMV_SILU_MUL
    enum gemv_then then;
    float *wide; // [n][n_out] of scratch, for GEMV_SILU_MUL
};

/* Matrices up to this many columns fit, and so many vectors are multiplied by one launch. */
enum { GEMV_MAX_IN = 24576, GEMV_MAX_VECTORS = 8 };

void gemv_launch(struct queue *q, const char *name, const struct gemv *g);
/* Warps of a block, for n_tasks rows or row pairs over 2 n_sms blocks: the number between 8 and 16
 * that leaves the fewest warps without work in the last round. */
int gemv_warps(int n_tasks, int n_sms);

#ifdef __cplusplus
}
#endif
#endif
