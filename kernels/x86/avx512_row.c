/* SPDX-License-Identifier: MIT */
#include "avx512.h"

#include "body/row_body.h"

void avx512_rms_norm(float *y, const float *x, const float *w, int n, float eps)
{
    rms_norm(y, x, w, n, eps);
}

void avx512_layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps)
{
    layer_norm(y, x, w, b, n, eps);
}

void avx512_silu_mul(float *y, const float *gate, const float *up, int64_t n)
{
    silu_mul(y, gate, up, n);
}

void avx512_quick_gelu(float *x, int64_t n) { quick_gelu(x, n); }

void avx512_gelu_erf(float *x, int64_t n) { gelu_erf(x, n); }

void avx512_widen(float *y, const void *x, enum weight_type type, int64_t n)
{
    const char *from = x;
    const size_t item = weight_bytes(type);
    int64_t i = 0;
    for (; i < n; i += W) {
        vmask m = v_first(n - i);
        v_store_some(y + i, m, load_weights(from + item * (size_t)i, type, m));
    }
}

void kernels_fill_avx512(struct kernels *k)
{
    k->matmul = avx512_matmul;
    k->kv_put = avx512_kv_put;
    k->pack = avx512_pack;
    k->attend = avx512_attend;
    k->attend_merge = avx512_attend_merge;
    k->rms_norm = avx512_rms_norm;
    k->layer_norm = avx512_layer_norm;
    k->silu_mul = avx512_silu_mul;
    k->quick_gelu = avx512_quick_gelu;
    k->gelu_erf = avx512_gelu_erf;
    k->widen = avx512_widen;
}
