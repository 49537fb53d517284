/* SPDX-License-Identifier: MIT
 * Norms and activations in terms of a level's vectors; included once by each level's row file. */
#ifndef KERNELS_ROW_BODY_H
#define KERNELS_ROW_BODY_H

#ifndef LEVEL_VECTORS
#error "row_body.h needs the vectors of a level: include its header first"
#endif

#include <math.h>

#include "vexp.h"

/* Sums over n floats of (x - shift) and of its square, in doubles. */
struct moments {
    double sum, squares;
};

static struct moments moments(const float *x, int n, double shift)
{
    dvec sum[2] = {d_zero(), d_zero()}, squares[2] = {d_zero(), d_zero()}, minus = d_set(-shift);
    int i = 0;
    for (; i + W <= n; i += W) {
        vec v = v_load(x + i);
        dvec low = d_add(d_low(v), minus), high = d_add(d_high(v), minus);
        sum[0] = d_add(sum[0], low);
        sum[1] = d_add(sum[1], high);
        squares[0] = d_fma(low, low, squares[0]);
        squares[1] = d_fma(high, high, squares[1]);
    }
    struct moments m = {d_sum(d_add(sum[0], sum[1])), d_sum(d_add(squares[0], squares[1]))};
    for (; i < n; i++) {
        double d = x[i] - shift;
        m.sum += d;
        m.squares += d * d;
    }
    return m;
}

static void rms_norm(float *y, const float *x, const float *w, int n, float eps)
{
    vec scale = v_set((float)(1 / sqrt(moments(x, n, 0).squares / n + eps)));
    for (int i = 0; i < n; i += W) {
        vmask m = v_first(n - i);
        vec v = v_mul(v_load_some(x + i, m), scale);
        v_store_some(y + i, m, v_mul(v, v_load_some(w + i, m)));
    }
}

static void layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps)
{
    double mean = moments(x, n, 0).sum / n;
    vec scale = v_set((float)(1 / sqrt(moments(x, n, mean).squares / n + eps)));
    vec middle = v_set((float)mean);
    for (int i = 0; i < n; i += W) {
        vmask m = v_first(n - i);
        vec v = v_mul(v_sub(v_load_some(x + i, m), middle), scale);
        v_store_some(y + i, m, v_fma(v, v_load_some(w + i, m), v_load_some(b + i, m)));
    }
}

static void add(float *y, const float *x, int64_t n)
{
    int64_t i = 0;
    for (; i + W <= n; i += W) v_store(y + i, v_add(v_load(y + i), v_load(x + i)));
    if (i == n) return;
    const vmask m = v_first(n - i);
    v_store_some(y + i, m, v_add(v_load_some(y + i, m), v_load_some(x + i, m)));
}

/* a * sigmoid(factor * a) */
static ALWAYS_INLINE vec gated(vec a, float factor)
{
    return v_div(a, v_add(v_set(1), v_exp(v_mul(a, v_set(-factor)))));
}

static void silu_mul(float *y, const float *gate, const float *up, int64_t n)
{
    for (int64_t i = 0; i < n; i += W) {
        vmask m = v_first(n - i);
        v_store_some(y + i, m, v_mul(v_load_some(up + i, m), gated(v_load_some(gate + i, m), 1)));
    }
}

static void quick_gelu(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += W) {
        vmask m = v_first(n - i);
        v_store_some(x + i, m, gated(v_load_some(x + i, m), 1.702f));
    }
}

/* x (1 + erf(x / sqrt 2)) / 2 = x / 2 * erfc(|x| / sqrt 2) for x < 0, x / 2 * (2 - erfc(…)) else.
 */
static void gelu_erf(float *x, int64_t n)
{
    for (int64_t i = 0; i < n; i += W) {
        vmask m = v_first(n - i);
        vec v = v_load_some(x + i, m);
        vec tail = v_erfc(v_mul(v_abs(v), v_set(0.70710678118654752f)));
        vec twice = v_choose(v_above(v, v_set(0)), v_sub(v_set(2), tail), tail);
        v_store_some(x + i, m, v_mul(v_mul(v, v_set(0.5f)), twice));
    }
}

/* The entries of a level's table that these are. */
static inline void fill_rows(struct kernels *k)
{
    k->rms_norm = rms_norm;
    k->layer_norm = layer_norm;
    k->add = add;
    k->silu_mul = silu_mul;
    k->quick_gelu = quick_gelu;
    k->gelu_erf = gelu_erf;
}

#endif
