/* SPDX-License-Identifier: MIT
 * Keys and values as 8-bit integers with a bf16 scale for KV_SCALED dimensions: types.h has the
 * layout. The scale is the smallest bf16 not below largest / 127, so nothing is cut off. */
#ifndef CUDA_KV8_H
#define CUDA_KV8_H

#include "port.h"

/* The scale for values up to `largest` in size, as bf16 bits; NaN for what is no number. */
static __device__ __forceinline__ uint32_t kv_scale_bits(float largest)
{
    uint32_t bits = __float_as_uint(largest * (1.0f / 127));
    return bits > 0x7f800000u ? 0x7fc0 : (bits + 0xffff) >> 16;
}

static __device__ __forceinline__ int kv_round8(float x, float scale)
{
    return scale > 0 ? rint_s8(x / scale) : 0;
}

static __device__ __forceinline__ const uint16_t *kv_scales(const struct bf16 *plane, int d)
{
    return (const uint16_t *)(plane + KEYS_PER_BLOCK * d / 2);
}

/* Dimension i of position `at`, together with the other lanes of a warp: lane i % 32. */
static __device__ __forceinline__ void kv_store8(struct bf16 *plane, int d, int at, int i, float x)
{
    uint32_t size = __float_as_uint(x) & 0x7fffffffu; /* orders like the sizes, NaN last */
    uint32_t bits = kv_scale_bits(__uint_as_float(warp_max(size)));
    ((signed char *)plane)[at * d + i] = (signed char)kv_round8(x, __uint_as_float(bits << 16));
    if (i % KV_SCALED == 0)
        ((uint16_t *)kv_scales(plane, d))[at * (d / KV_SCALED) + i / KV_SCALED] = (uint16_t)bits;
}

/* Eight stored integers times their scale. */
static __device__ __forceinline__ void kv_widen8(uint2 x, uint32_t scale_bits, float *ret)
{
    float scale = __uint_as_float(scale_bits << 16);
#pragma unroll
    for (int i = 0; i < 8; i++) {
        uint32_t word = i < 4 ? x.x : x.y;
        ret[i] = (float)(signed char)(word >> 8 * (i % 4) & 255) * scale;
    }
}

#endif
