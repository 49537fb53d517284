/* SPDX-License-Identifier: MIT */
#include "avx2.h"

#include "body/row_body.h"

void avx2_rms_norm(float *y, const float *x, const float *w, int n, float eps)
{
    rms_norm(y, x, w, n, eps);
}

void avx2_layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps)
{
    layer_norm(y, x, w, b, n, eps);
}

void avx2_silu_mul(float *y, const float *gate, const float *up, int64_t n)
{
    silu_mul(y, gate, up, n);
}

void avx2_quick_gelu(float *x, int64_t n) { quick_gelu(x, n); }

void avx2_gelu_erf(float *x, int64_t n) { gelu_erf(x, n); }

void avx2_widen(float *y, const void *x, enum weight_type type, int64_t n)
{
    const char *from = x;
    const size_t item = weight_bytes(type);
    int64_t i = 0;
    for (; i + W <= n; i += W) v_store(y + i, load_weights(from + item * (size_t)i, type));
    if (i < n)
        v_store_some(y + i, v_first(n - i),
                     load_some_weights(from + item * (size_t)i, type, (int)(n - i)));
}

void kernels_fill_avx2(struct kernels *k)
{
    k->matmul = avx2_matmul;
    k->kv_put = avx2_kv_put;
    k->pack = avx2_pack;
    k->matmul_prepared = avx2_matmul_prepared;
    k->attend = avx2_attend;
    k->attend_merge = avx2_attend_merge;
    k->rms_norm = avx2_rms_norm;
    k->layer_norm = avx2_layer_norm;
    k->silu_mul = avx2_silu_mul;
    k->quick_gelu = avx2_quick_gelu;
    k->gelu_erf = avx2_gelu_erf;
    k->widen = avx2_widen;
}
