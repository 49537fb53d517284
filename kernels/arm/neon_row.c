/* SPDX-License-Identifier: MIT */
#include "neon.h"

#include "body/row_body.h"

void neon_rms_norm(float *y, const float *x, const float *w, int n, float eps)
{
    rms_norm(y, x, w, n, eps);
}

void neon_layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps)
{
    layer_norm(y, x, w, b, n, eps);
}

void neon_silu_mul(float *y, const float *gate, const float *up, int64_t n)
{
    silu_mul(y, gate, up, n);
}

void neon_quick_gelu(float *x, int64_t n) { quick_gelu(x, n); }

void neon_gelu_erf(float *x, int64_t n) { gelu_erf(x, n); }

void neon_widen(float *y, const void *x, enum weight_type type, int64_t n)
{
    const char *from = x;
    const size_t item = weight_bytes(type);
    int64_t i = 0;
    for (; i + W <= n; i += W) v_store(y + i, load_weights(from + item * (size_t)i, type));
    if (i < n)
        v_store_some(y + i, v_first(n - i),
                     load_some_weights(from + item * (size_t)i, type, (int)(n - i)));
}

void kernels_fill_neon(struct kernels *k)
{
    k->matmul = neon_matmul;
    k->kv_put = neon_kv_put;
    k->matmul_prepared = neon_matmul_prepared;
    k->attend = neon_attend;
    k->attend_merge = neon_attend_merge;
    k->rms_norm = neon_rms_norm;
    k->layer_norm = neon_layer_norm;
    k->silu_mul = neon_silu_mul;
    k->quick_gelu = neon_quick_gelu;
    k->gelu_erf = neon_gelu_erf;
    k->widen = neon_widen;
}
