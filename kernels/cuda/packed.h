/* SPDX-License-Identifier: MIT
 * Matrices of 8 and 4 bits. Decoding multiplies them as they are: vectors are rounded to 8 bits
 * with one power of two for 32 values, as on the CPU (kernels/kernels.h), a block of 16 outputs and
 * 32 inputs times eight vectors is one instruction, exact in integers, and nothing but the packed
 * bytes is read. Many rows are worth more exact
 * activations: a matrix, or as much of it as fits the room for it, is unpacked to bf16 and goes to
 * cuBLASLt (traffic of five bytes a weight once for up to 2048 rows). */
#ifndef CUDA_PACKED_H
#define CUDA_PACKED_H

#include "gemv.h"

#ifdef __cplusplus
extern "C" {
#endif

/* gemv_launch for a packed matrix. GEMV_SILU_MUL: n_out / 2 is a multiple of STRIP_OUTS. */
void gemv_packed_launch(struct queue *q, const char *name, const struct gemv *g);
/* Whether n vectors of n_in values, rounded, fit shared memory; one always does. */
bool gemv_packed_fits(int n_in, int n);
/* y[r][i] = silu(x[r][i]) * x[r][n + i], f32, i < n: what GEMV_SILU_MUL leaves to a launch of its
 * own otherwise. */
void silu_mul32_launch(struct queue *q, float *y, const float *x, int n_rows, int n);
/* Outputs first … first + n_out - 1 (first: a multiple of STRIP_OUTS) -> bf16 [n_out][w->ld]. */
void unpack_launch(struct queue *q, struct bf16 *y, const struct dev_mat *w, int first, int n_out);

#ifdef __cplusplus
}
#endif
#endif
