/* SPDX-License-Identifier: MIT
 * Storing keys and values in terms of a level's vectors; included once by each level's attend file.
 * The bits are those of kernels/ref/kv.c. */
#ifndef KERNELS_KV_BODY_H
#define KERNELS_KV_BODY_H

#ifndef LEVEL_VECTORS
#error "kv_body.h needs the vectors of a level: include its header first"
#endif

#include <string.h>

#include "ref/ref.h"

enum { PUT_MAX = 512 }; /* longest head worked in vectors */

/* n floats, then zeros up to `padded`. */
static void put_padded(float *to, const float *x, int n, int padded)
{
    memcpy(to, x, (size_t)n * sizeof *to);
    memset(to + n, 0, (size_t)(padded - n) * sizeof *to);
}

static void row_f16(uint16_t *to, const float *x, int padded)
{
    const vec top = v_set(65504);
    for (int d = 0; d < padded; d += W) {
        vec a = v_min(v_load(x + d), top);
        v_store_f16(to + d, v_max(a, v_sub(v_set(0), top)));
    }
}

/* Scale of each group of a padded row; the numbers in to. */
static void row_q8(int8_t *to, uint16_t *scales, const float *x, int padded)
{
    for (int first = 0; first < padded; first += KV_GROUP) {
        int end = padded - first < KV_GROUP ? padded : first + KV_GROUP;
        vec high = v_set(0);
        for (int d = first; d < end; d += W) high = v_max(v_abs(v_load(x + d)), high);
        float max = v_highest(high);
        uint32_t bits = 0;
        float scale = 0;
        if (max >= 1e-30f) { /* as bf16, rounded up */
            max = (max > 3e38f ? 3e38f : max) / 127;
            memcpy(&bits, &max, sizeof bits);
            bits = (bits + 0xffff) & 0xffff0000;
            memcpy(&scale, &bits, sizeof scale);
        }
        scales[first / KV_GROUP] = (uint16_t)(bits >> 16);
        const vec inverse = v_set(scale > 0 ? 1 / scale : 0);
        for (int d = first; d < end; d += W) {
            vec n = v_min(v_round(v_mul(v_load(x + d), inverse)), v_set(127));
            v_store_i8(to + d, v_max(n, v_set(-127)));
        }
    }
}

static void put_key(void *block, enum kv_type type, int at, const float *k, int head_dim)
{
    const int padded = kv_padded(head_dim);
    float row[PUT_MAX];
    put_padded(row, k, head_dim, padded);
    if (type == KV_F16) {
        uint16_t *kb = (uint16_t *)block + at, halves[PUT_MAX];
        row_f16(halves, row, padded);
        for (int d = 0; d < head_dim; d++) kb[d * KV_BLOCK] = halves[d];
    } else {
        int8_t *kb = (int8_t *)block + at, numbers[PUT_MAX];
        uint16_t *ks = (void *)((int8_t *)block + kv_scales_at(head_dim));
        uint16_t scales[PUT_MAX / KV_GROUP];
        row_q8(numbers, scales, row, padded);
        for (int d = 0; d < head_dim; d++) kb[d * KV_BLOCK] = numbers[d];
        for (int g = 0; g < kv_groups(head_dim); g++) ks[at + g * KV_BLOCK] = scales[g];
    }
}

static void put_value(void *block, enum kv_type type, int at, const float *v, int head_dim)
{
    const int padded = kv_padded(head_dim);
    float row[PUT_MAX];
    put_padded(row, v, head_dim, padded);
    if (type == KV_F16) {
        row_f16((uint16_t *)block + at * padded, row, padded);
    } else {
        int8_t *vb = block;
        uint16_t *scales = (void *)(vb + kv_scales_at(head_dim));
        row_q8(vb + at * padded, scales + at * kv_groups(head_dim), row, padded);
    }
}

static void kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                   const float *v, int head_dim)
{
    if (kv_padded(head_dim) > PUT_MAX || type == KV_F32 || type == KV_BF16) {
        ref_kv_put(k_block, v_block, type, at, k, v, head_dim);
        return;
    }
    if (k) put_key(k_block, type, at, k, head_dim);
    if (v) put_value(v_block, type, at, v, head_dim);
}

#endif
