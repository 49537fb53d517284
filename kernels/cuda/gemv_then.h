/* SPDX-License-Identifier: MIT
 * What a product does with its sums; for the kernels of all types of weights. */
#ifndef CUDA_GEMV_THEN_H
#define CUDA_GEMV_THEN_H

#include "gemv.h"
#include "port.h"

/* Output o of vector v from the sum of its row, and of row o + n_out/2 for GEMV_SILU_MUL; `owed` is
 * the norm's factor, which is put on both. */
template <enum gemv_then THEN>
static __device__ __forceinline__ void store_product(const struct gemv &g, int v, int o, float sum,
                                                     float partner, float owed)
{
    int width = THEN == GEMV_SILU_MUL ? g.w.n_out / 2 : g.w.n_out;
    float *y = g.y + (int64_t)v * width + o;
    if (THEN == GEMV_STORE) *y = sum * owed;
    if (THEN == GEMV_ADD) *y = mul_add(sum, owed, *y);
    if (THEN == GEMV_SILU_MUL) *y = silu(sum * owed) * (partner * owed);
}

#endif
