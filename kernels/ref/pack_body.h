/* SPDX-License-Identifier: MIT
 * Packs a strip: which integers and scale stand for each block of 32 weights. Plain C over 16
 * outputs side by side, which every level compiles to its own vectors; no sum is reordered, so all
 * give the same bits. The including file defines PACK_NAME.
 *
 * A scale is sought by trying several multiples of the plainest one, which takes the largest weight
 * to the end of the range. For given integers q the squared error is least at scale
 * sum(x q) / sum(q q), where it is sum(x x) - sum(x q)^2 / sum(q q); so the best candidate has the
 * largest last term. */
#if !defined PACK_NAME
#error "pack_body.h needs PACK_NAME"
#endif

#include <math.h>
#include <string.h>

#include "packed.h"

typedef float lanes[PACK_OUTS];

/* Where the largest weight goes, in units of the scale. Its sign is the weight's or not: the range
 * has one more number below zero than above. */
static const float q4_targets[] = {-8.0f, -8.3f, -7.7f, -7.4f, -7.1f, -6.8f, -6.5f, -6.1f,
                                   7.0f,  7.4f,  6.7f,  6.4f,  6.1f,  5.8f,  5.4f};
static const float q8_targets[] = {-128.0f, -127.0f, -126.0f, 127.0f, 126.0f};

/* Nearest whole number, ties to even, for sizes below 2^22. */
static inline float nearest(float x) { return (x + 0x1.8p23f) - 0x1.8p23f; }

static inline float clamped(float q, float offset)
{
    q = q < -offset ? -offset : q;
    return q > offset - 1 ? offset - 1 : q;
}

/* To the nearest half, ties to even, with a size of at least 2^-24. */
static uint16_t narrow_half(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
    float size = fabsf(x);
    if (!(size > 0x1p-24f)) return sign | 1;
    if (size >= 65504) return sign | 0x7bff;
    if (size < 0x1p-14f) return sign | (uint16_t)nearest(size * 0x1p24f);
    bits &= 0x7fffffff;
    return sign | (uint16_t)((bits - (112u << 23) + 0xfff + (bits >> 13 & 1)) >> 13);
}

static float widen_half(uint16_t half)
{
    float sign = half & 0x8000 ? -1.0f : 1.0f;
    int exponent = half >> 10 & 31, fraction = half & 0x3ff;
    if (exponent == 0) return sign * ldexpf((float)fraction, -24);
    return sign * ldexpf((float)(fraction + 1024), exponent - 25);
}

/* The weight of largest size of each output. */
static void find_extremes(lanes extreme, const lanes x[PACK_IN])
{
    for (int o = 0; o < PACK_OUTS; o++) extreme[o] = 0;
    for (int i = 0; i < PACK_IN; i++)
        for (int o = 0; o < PACK_OUTS; o++)
            extreme[o] = fabsf(x[i][o]) > fabsf(extreme[o]) ? x[i][o] : extreme[o];
}

/* scale[o]: the best for output o; 0 where all weights are 0. */
static void find_scales(lanes scale, const lanes x[PACK_IN], const float *targets, int n_targets,
                        float offset)
{
    lanes extreme, best = {0};
    find_extremes(extreme, x);
    for (int o = 0; o < PACK_OUTS; o++) scale[o] = 0;
    for (int t = 0; t < n_targets; t++) {
        lanes inverse, xq = {0}, qq = {0};
        for (int o = 0; o < PACK_OUTS; o++) {
            float size = fabsf(extreme[o]);
            inverse[o] = targets[t] / (size > 1e-30f ? extreme[o] : 1);
        }
        for (int i = 0; i < PACK_IN; i++)
            for (int o = 0; o < PACK_OUTS; o++) {
                float q = clamped(nearest(x[i][o] * inverse[o]), offset);
                xq[o] += x[i][o] * q;
                qq[o] += q * q;
            }
        for (int o = 0; o < PACK_OUTS; o++) {
            float good = xq[o] * xq[o] / (qq[o] > 0 ? qq[o] : 1);
            scale[o] = good > best[o] ? xq[o] / (qq[o] > 0 ? qq[o] : 1) : scale[o];
            best[o] = good > best[o] ? good : best[o];
        }
    }
}

/* The integers of a block, unsigned, [8][16][4]. */
static void round_block(uint8_t w[Q8_DATA], uint16_t scales[PACK_OUTS], const lanes x[PACK_IN],
                        enum weight_type type)
{
    lanes scale, inverse;
    float offset = (float)pack_offset(type);
    if (type == WEIGHT_Q4)
        find_scales(scale, x, q4_targets, sizeof q4_targets / sizeof *q4_targets, offset);
    else
        find_scales(scale, x, q8_targets, sizeof q8_targets / sizeof *q8_targets, offset);
    for (int o = 0; o < PACK_OUTS; o++) {
        scales[o] = narrow_half(scale[o] == 0 ? 1 : scale[o] * (1 << SCALE_SHIFT));
        inverse[o] = (1 << SCALE_SHIFT) / widen_half(scales[o]);
    }
    for (int i = 0; i < PACK_IN; i++)
        for (int o = 0; o < PACK_OUTS; o++) {
            float q = nearest(clamped(x[i][o] * inverse[o], offset));
            w[i / 4 * 64 + o * 4 + i % 4] = (uint8_t)(int)(q + offset);
        }
}

void PACK_NAME(void *strip, enum weight_type type, const float *rows, int n_rows, int n_in)
{
    int n_blocks = pack_blocks(n_in);
    uint8_t *data = strip;
    uint16_t scales[PACK_OUTS];
    char *to_scales = (char *)strip + pack_data_bytes(type) * (size_t)n_blocks;
    size_t end = pack_strip_bytes(type, n_in),
           used = (size_t)(to_scales - (char *)strip) + sizeof scales * (size_t)n_blocks;
    memset((char *)strip + used, 0, end - used);
    for (int b = 0; b < n_blocks; b++) {
        lanes x[PACK_IN];
        uint8_t w[Q8_DATA];
        for (int i = 0; i < PACK_IN; i++)
            for (int o = 0; o < PACK_OUTS; o++) {
                int in = b * PACK_IN + i;
                x[i][o] = o < n_rows && in < n_in ? rows[(size_t)o * (size_t)n_in + (size_t)in] : 0;
            }
        round_block(w, scales, (const lanes *)x, type);
        memcpy(to_scales + sizeof scales * (size_t)b, scales, sizeof scales);
        if (type == WEIGHT_Q8)
            memcpy(data, w, Q8_DATA);
        else
            for (int i = 0; i < Q4_DATA; i++) {
                const uint8_t *low = w + i / 64 * 128 + i % 64;
                data[i] = (uint8_t)(low[0] | low[64] << 4);
            }
        data += pack_data_bytes(type);
    }
}
