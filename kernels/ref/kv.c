/* SPDX-License-Identifier: MIT
 * Keys and values in their blocks (layout: kernels.h): storing a position, and widening a block. */
#include "ref.h"

#include <math.h>
#include <string.h>

static uint32_t bits_of(float f)
{
    uint32_t bits;
    memcpy(&bits, &f, sizeof bits);
    return bits;
}

static float float_of(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* To IEEE half, to nearest even; what is too large becomes the largest, so no stored number is
 * infinite. */
static uint16_t narrow_f16(float x)
{
    uint32_t bits = bits_of(x), sign = bits >> 16 & 0x8000, size = bits & 0x7fffffff;
    if (size >= 0x477fe000) return (uint16_t)(sign | 0x7bff); /* 65504 */
    if (size <
        0x38800000) /* below 2^-14: a multiple of 2^-24, which the sum with 1/2 leaves behind */
        return (uint16_t)(sign | (bits_of(float_of(size) + 0.5f) - bits_of(0.5f)));
    size += 0xfff + (size >> 13 & 1);
    return (uint16_t)(sign | (size - 0x38000000) >> 13);
}

/* The scale of a group: its largest number over 127, as bf16 rounded up, so that no number of the
 * group exceeds 127 of it. */
static uint16_t group_scale(const float *x, int n)
{
    float max = 0;
    for (int i = 0; i < n; i++)
        if (fabsf(x[i]) > max) max = fabsf(x[i]);
    if (max < 1e-30f) return 0; /* the inverse must be finite */
    if (max > 3e38f) max = 3e38f;
    return (uint16_t)((bits_of(max / 127) + 0xffff) >> 16);
}

static int8_t narrow_q8(float x, float inverse)
{
    float n = nearbyintf(x * inverse);
    return (int8_t)(n > 127 ? 127 : n > -127 ? n : -127); /* NaN: something */
}

/* Numbers of one row go `step` apart, scales `scale_step` apart. */
static void put_q8(int8_t *to, uint16_t *scales, int step, int scale_step, const float *x, int n)
{
    for (int g = 0; g * KV_GROUP < n; g++) {
        int first = g * KV_GROUP, end = n - first < KV_GROUP ? n : first + KV_GROUP;
        uint16_t scale = group_scale(x + first, end - first);
        float size = float_of((uint32_t)scale << 16), inverse = size > 0 ? 1 / size : 0;
        scales[g * scale_step] = scale;
        for (int d = first; d < end; d++) to[d * step] = narrow_q8(x[d], inverse);
    }
}

static void put_key(void *block, enum kv_type type, int at, const float *k, int head_dim)
{
    if (type == KV_F32) {
        for (int d = 0; d < head_dim; d++) ((float *)block)[at + d * KV_BLOCK] = k[d];
    } else if (type == KV_F16) {
        uint16_t *kb = (uint16_t *)block + at;
        for (int d = 0; d < head_dim; d++) kb[d * KV_BLOCK] = narrow_f16(k[d]);
    } else if (type == KV_BF16) { /* position `at` among pairs of numbers */
        uint16_t *kb = (uint16_t *)block + 2 * at;
        for (int d = 0; d < head_dim; d++) kb[d / 2 * 2 * KV_BLOCK + d % 2] = bf16_bits(k[d]);
        if (head_dim % 2) kb[head_dim / 2 * 2 * KV_BLOCK + 1] = 0;
    } else {
        int8_t *kb = block;
        uint16_t *scales = (void *)(kb + kv_scales_at(head_dim));
        put_q8(kb + at, scales + at, KV_BLOCK, KV_BLOCK, k, head_dim);
    }
}

static void put_value(void *block, enum kv_type type, int at, const float *v, int head_dim)
{
    const int padded = kv_padded(head_dim);
    if (type == KV_F32) {
        float *vb = (float *)block + at * padded;
        for (int d = 0; d < padded; d++) vb[d] = d < head_dim ? v[d] : 0;
    } else if (type == KV_F16) {
        uint16_t *vb = (uint16_t *)block + at * padded;
        for (int d = 0; d < padded; d++) vb[d] = d < head_dim ? narrow_f16(v[d]) : 0;
    } else if (type == KV_BF16) { /* number d among pairs of positions */
        uint16_t *vb = (uint16_t *)block + at / 2 * 2 * padded + at % 2;
        for (int d = 0; d < padded; d++) vb[2 * d] = d < head_dim ? bf16_bits(v[d]) : 0;
    } else {
        int8_t *vb = block;
        uint16_t *scales = (void *)(vb + kv_scales_at(head_dim));
        memset(vb + at * padded, 0, (size_t)padded);
        put_q8(vb + at * padded, scales + at * kv_groups(head_dim), 1, 1, v, head_dim);
    }
}

void ref_kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                const float *v, int head_dim)
{
    if (k) put_key(k_block, type, at, k, head_dim);
    if (v) put_value(v_block, type, at, v, head_dim);
}

void ref_kv_put_run(void *k_block, void *v_block, int at, const float *k, const float *v,
                    int64_t stride, int head_dim)
{
    for (int i = 0; i < KV_RUN; i++)
        ref_kv_put(k_block, v_block, KV_BF16, at + i, k ? k + i * stride : NULL,
                   v ? v + i * stride : NULL, head_dim);
}

/* -- widening --------------------------------------------------------------------------------- */

static float scale_of(const int8_t *block, int head_dim, int i)
{
    uint16_t scale;
    memcpy(&scale, block + kv_scales_at(head_dim) + 2 * (size_t)i, sizeof scale);
    return float_of((uint32_t)scale << 16);
}

static void widen_bf16(float *keys, float *values, const uint16_t *k, const uint16_t *v,
                       int head_dim)
{
    const int padded = kv_padded(head_dim);
    for (int d = 0; d < head_dim; d++)
        for (int j = 0; j < KV_BLOCK; j++)
            keys[d * KV_BLOCK + j] =
                float_of((uint32_t)k[(d / 2 * KV_BLOCK + j) * 2 + d % 2] << 16);
    for (int j = 0; j < KV_BLOCK; j++)
        for (int d = 0; d < padded; d++)
            values[j * padded + d] = float_of((uint32_t)v[(j / 2 * padded + d) * 2 + j % 2] << 16);
}

void ref_kv_widen(float *keys, float *values, const void *k_block, const void *v_block,
                  enum kv_type type, int head_dim)
{
    const int padded = kv_padded(head_dim), groups = kv_groups(head_dim);
    if (type == KV_F32 || type == KV_F16) {
        enum weight_type like = type == KV_F32 ? WEIGHT_F32 : WEIGHT_F16;
        ref_widen(keys, k_block, like, (int64_t)head_dim * KV_BLOCK);
        ref_widen(values, v_block, like, (int64_t)padded * KV_BLOCK);
        return;
    }
    if (type == KV_BF16) {
        widen_bf16(keys, values, k_block, v_block, head_dim);
        return;
    }
    const int8_t *k = k_block, *v = v_block;
    for (int d = 0; d < head_dim; d++)
        for (int j = 0; j < KV_BLOCK; j++)
            keys[d * KV_BLOCK + j] =
                k[d * KV_BLOCK + j] * scale_of(k, head_dim, d / KV_GROUP * KV_BLOCK + j);
    for (int j = 0; j < KV_BLOCK; j++)
        for (int d = 0; d < padded; d++)
            values[j * padded + d] =
                d < head_dim ? v[j * padded + d] * scale_of(v, head_dim, j * groups + d / KV_GROUP)
                             : 0;
}
