/* SPDX-License-Identifier: MIT
 * What a kernel file may use, for two compilers: nvcc, and the host's C++ compiler with the
 * emulation of tests/cuda. The rules that keep both possible: launches through launch(), inline
 * assembly in ptx.h only, shared memory through SHARED and SHARED_DYNAMIC, no early return before a
 * barrier. */
#ifndef CUDA_PORT_H
#define CUDA_PORT_H

#include <float.h>
#include <math.h>
#include <stdint.h>

#include "queue.h"
#include "types.h"

/* Where and how wide a kernel runs. overlap: it calls grid_wait() before it reads what the kernel
 * before it wrote. */
struct shape {
    dim3 grid;
    int threads;
    size_t shared_bytes;
    bool overlap;
};

/* Shared memory that a block of a launch may have, declared and dynamic together: what the smallest
 * GPUs of 8.0 and later give (8.6, 8.9 and 12.0: CUDA C++ Programming Guide, compute
 * capabilities). */
enum { MOST_SHARED_BYTES = 99 * 1024 };

#ifdef __CUDACC__

#include <cuda_runtime.h>

#define SHARED(type, name, count) __shared__ type name[count]
/* The launch's shared memory, 16-byte aligned. */
#define SHARED_DYNAMIC(type, name)                                                                 \
    extern __shared__ __align__(16) unsigned char dynamic_shared[];                                \
    type *name = (type *)dynamic_shared

/* Makes room for dynamic shared memory and looks whether the kernel waits as overlap wants it. What
 * a kernel declares counts towards the 48 KiB that are free to use, and sessions on other threads
 * may launch the same kernel with another size: so all there is is asked for, always. Code that the
 * driver makes from PTX of an older architecture has no grid_wait() (ptx.h) on a later GPU. */
static inline cudaError_t launch_allow(const void *kernel, bool has_shared, bool *overlap)
{
    cudaFuncAttributes is;
    if (!has_shared && !*overlap) return cudaSuccess;
    cudaError_t rc = cudaFuncGetAttributes(&is, kernel);
    if (rc != cudaSuccess) return rc;
    if (is.ptxVersion < 90) *overlap = false;
    if (!has_shared) return rc;
    return cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize,
                                MOST_SHARED_BYTES - (int)is.sharedSizeBytes);
}

template <typename... Params, typename... Args>
static void launch(struct queue *q, const char *name, const struct shape &s, struct work_size work,
                   void (*kernel)(Params...), Args... args)
{
    if (q->status != cudaSuccess) return;
    bool overlap = s.overlap && q->overlap;
    cudaError_t rc = launch_allow((const void *)kernel, s.shared_bytes > 0, &overlap);
    queue_begin(q);
    cudaLaunchAttribute attribute = {};
    attribute.id = cudaLaunchAttributeProgrammaticStreamSerialization;
    attribute.val.programmaticStreamSerializationAllowed = 1;
    cudaLaunchConfig_t config = {};
    config.gridDim = s.grid;
    config.blockDim = dim3((unsigned)s.threads);
    config.dynamicSmemBytes = s.shared_bytes;
    config.stream = q->stream;
    config.attrs = &attribute;
    config.numAttrs = overlap ? 1 : 0;
    if (rc == cudaSuccess) rc = cudaLaunchKernelEx(&config, kernel, static_cast<Params>(args)...);
    queue_end(q, name, work, rc);
}

#include "ptx.h"

#else

#include "emulate.h"

#endif

/* -- Numbers ---------------------------------------------------------------------------------- */

static __device__ __forceinline__ float bf16_low(uint32_t pair)
{
    return __uint_as_float(pair << 16);
}
static __device__ __forceinline__ float bf16_high(uint32_t pair)
{
    return __uint_as_float(pair & 0xffff0000u);
}
static __device__ __forceinline__ float widen(struct bf16 x)
{
    return __uint_as_float((uint32_t)x.bits << 16);
}
static __device__ __forceinline__ float widen(float x) { return x; }
static __device__ __forceinline__ void narrow(float x, float *ret) { *ret = x; }
static __device__ __forceinline__ void narrow(float x, struct bf16 *ret)
{
    ret->bits = (uint16_t)pack_bf16(x, 0);
}

/* a b + c, rounded once. A compiler joins a product and a sum where it likes to, so what has to
 * give the same bits in several instances of a kernel says it. (Emulated: rounded twice,
 * everywhere.) */
static __device__ __forceinline__ float mul_add(float a, float b, float c)
{
#ifdef __CUDACC__
    return __fmaf_rn(a, b, c);
#else
    return a * b + c;
#endif
}

static __device__ __forceinline__ float silu(float x) { return x / (1 + expf(-x)); }

/* Eight bf16 of one 16-byte load. */
static __device__ __forceinline__ void widen8(uint4 x, float *ret)
{
    ret[0] = bf16_low(x.x), ret[1] = bf16_high(x.x);
    ret[2] = bf16_low(x.y), ret[3] = bf16_high(x.y);
    ret[4] = bf16_low(x.z), ret[5] = bf16_high(x.z);
    ret[6] = bf16_low(x.w), ret[7] = bf16_high(x.w);
}

/* -- Sums over a warp and a block -------------------------------------------------------------- */

enum { WARP = 32 };
#define ALL_LANES 0xffffffffu

#ifdef __CUDACC__
static __device__ __forceinline__ float warp_sum(float x)
{
    for (int step = WARP / 2; step > 0; step /= 2) x += __shfl_xor_sync(ALL_LANES, x, step);
    return x;
}
#endif

/* For every thread of the block; at most 32 warps. scratch: [32] shared, free again behind the next
 * barrier. */
static __device__ __forceinline__ float block_sum(float x, float *scratch)
{
    int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    int n_warps = (int)blockDim.x / WARP;
    x = warp_sum(x);
    if (lane == 0) scratch[warp] = x;
    __syncthreads();
    return warp_sum(lane < n_warps ? scratch[lane] : 0);
}

#endif
