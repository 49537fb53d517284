/* SPDX-License-Identifier: MIT
 * Norms, activations, rotation and widening: everything that works on one row or element by
 * element. */
#include "ref.h"

#include <math.h>
#include <string.h>

/* -- norms: sums in double, so that the length of a row costs no accuracy ------------------ */

void ref_rms_norm(float *y, const float *x, const float *w, int n, float eps)
{
    double sum = 0;
    for (int i = 0; i < n; i++) sum += (double)x[i] * x[i];
    float scale = (float)(1 / sqrt(sum / n + eps));
    for (int i = 0; i < n; i++) y[i] = x[i] * scale * w[i];
}

void ref_layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps)
{
    double sum = 0, squares = 0;
    for (int i = 0; i < n; i++) sum += x[i];
    double mean = sum / n;
    for (int i = 0; i < n; i++) squares += (x[i] - mean) * (x[i] - mean);
    double scale = 1 / sqrt(squares / n + eps);
    for (int i = 0; i < n; i++) y[i] = (float)((x[i] - mean) * scale) * w[i] + b[i];
}

/* -- element by element -------------------------------------------------------------------- */

void ref_rope(float *x, const float *cos, const float *sin, int head_dim)
{
    int half = head_dim / 2;
    for (int j = 0; j < half; j++) {
        float low = x[j], high = x[j + half];
        x[j] = low * cos[j] - high * sin[j];
        x[j + half] = high * cos[j] + low * sin[j];
    }
}

void ref_add(float *y, const float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] += x[i];
}

void ref_silu_mul(float *y, const float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i++) y[i] = up[i] * (gate[i] / (1 + expf(-gate[i])));
}

void ref_quick_gelu(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = x[i] / (1 + expf(-1.702f * x[i]));
}

void ref_gelu_erf(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i++) x[i] = 0.5f * x[i] * erfcf(-x[i] * 0.70710678118654752f);
}

/* -- widening --------------------------------------------------------------------------------- */

static float float_from_bits(uint32_t bits)
{
    float f;
    memcpy(&f, &bits, sizeof f);
    return f;
}

/* IEEE half: 1 sign, 5 exponent, 10 fraction bits. */
static float widen_f16(uint16_t h)
{
    uint32_t sign = (uint32_t)(h & 0x8000) << 16, exponent = h >> 10 & 31, fraction = h & 0x3ff;
    if (exponent == 0) { /* zero and subnormals: fraction * 2^-24, exact in f32 */
        float f = (float)fraction * 0x1p-24f;
        return sign ? -f : f;
    }
    if (exponent == 31) return float_from_bits(sign | 0x7f800000 | fraction << 13);
    return float_from_bits(sign | (exponent + 112) << 23 | fraction << 13);
}

void ref_widen(float *y, const void *x, enum weight_type type, int64_t n)
{
    if (type == WEIGHT_F32) {
        memcpy(y, x, (size_t)n * sizeof *y);
        return;
    }
    for (int64_t i = 0; i < n; i++) { /* memcpy: x may be unaligned */
        uint16_t bits;
        memcpy(&bits, (const char *)x + 2 * i, sizeof bits);
        y[i] = type == WEIGHT_BF16 ? float_from_bits((uint32_t)bits << 16) : widen_f16(bits);
    }
}
