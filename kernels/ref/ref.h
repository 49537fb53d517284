/* SPDX-License-Identifier: MIT
 * The portable level: what each entry computes, in the plainest C that a compiler can vectorise. */
#ifndef KERNELS_REF_H
#define KERNELS_REF_H

#include "levels.h"

void ref_matmul(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                const struct mat *w, const float *bias, int out_begin, int out_end, void *scratch);
void ref_kv_put_run(void *k_block, void *v_block, int at, const float *k, const float *v,
                    int64_t stride, int head_dim);
void ref_kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                const float *v, int head_dim);
/* A block's stored numbers as f32: keys [head_dim][KV_BLOCK], values [KV_BLOCK][padded]. */
void ref_kv_widen(float *keys, float *values, const void *k_block, const void *v_block,
                  enum kv_type type, int head_dim);
void ref_prepare(void *rows, const float *x, int64_t x_stride, int n_rows, enum weight_type type,
                 int n_in);
void ref_matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                         const struct mat *w, const float *bias, int out_begin, int out_end,
                         void *scratch);
void ref_pack(void *strip, enum weight_type type, const float *rows, int n_rows, int n_in);
void ref_unpack_row(float *y, const struct mat *w, int out);
void ref_attend(const struct attend_args *args);
void ref_attend_merge(float *out, float *states, int n_spans, int head_dim);
void ref_rms_norm(float *y, const float *x, const float *w, int n, float eps);
void ref_layer_norm(float *y, const float *x, const float *w, const float *b, int n, float eps);
void ref_rope(float *x, const float *cos, const float *sin, int head_dim);
void ref_add(float *y, const float *x, int64_t n);
void ref_silu_mul(float *y, const float *gate, const float *up, int64_t n);
void ref_quick_gelu(float *x, int64_t n);
void ref_gelu_erf(float *x, int64_t n);
void ref_widen(float *y, const void *x, enum weight_type type, int64_t n);

#endif
