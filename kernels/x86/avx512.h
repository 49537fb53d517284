/* SPDX-License-Identifier: MIT
 * The entries of the AVX-512 level (F, BW, DQ, VL) and its vectors, under the names that the shared
 * bodies use. */
#ifndef KERNELS_X86_AVX512_H
#define KERNELS_X86_AVX512_H

#include <immintrin.h>

#include "levels.h"

void avx512_matmul(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                   const struct mat *w, const float *bias, int out_begin, int out_end,
                   void *scratch);
void avx512_kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                   const float *v, int head_dim);
void avx512vnni_prepare(void *rows, const float *x, int64_t x_stride, int n_rows,
                        enum weight_type type, int n_in);
void avx512vnni_matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                                const struct mat *w, const float *bias, int out_begin, int out_end,
                                void *scratch);
void avx512_pack(void *strip, enum weight_type type, const float *rows, int n_rows, int n_in);
void avx512_attend(const struct attend_args *args);
void avx512bf16_kv_put_run(void *k_block, void *v_block, int at, const float *k, const float *v,
                           int64_t stride, int head_dim);
void avx512bf16_kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                       const float *v, int head_dim);
void avx512bf16_attend(const struct attend_args *args);
void avx512_attend_merge(float *out, float *states, int n_spans, int head_dim);

typedef __m512 vec;   /* of W floats */
typedef __m512d dvec; /* of W / 2 doubles */
typedef __mmask16 vmask;
#define LEVEL_VECTORS /* vec, dvec, vmask, W and the v_ and d_ functions are there */
enum { W = 16 };

/* The lowest n lanes; all of them for n >= W. */
static ALWAYS_INLINE vmask v_first(int64_t n) { return (vmask)(n >= W ? 0xffff : (1u << n) - 1); }

static ALWAYS_INLINE vec v_set(float x) { return _mm512_set1_ps(x); }
static ALWAYS_INLINE vec v_load(const float *p) { return _mm512_loadu_ps(p); }
static ALWAYS_INLINE void v_store(float *p, vec a) { _mm512_storeu_ps(p, a); }
/* Lanes outside the mask are 0 and their memory is not touched. */
static ALWAYS_INLINE vec v_load_some(const float *p, vmask m)
{
    return _mm512_maskz_loadu_ps(m, p);
}
static ALWAYS_INLINE void v_store_some(float *p, vmask m, vec a) { _mm512_mask_storeu_ps(p, m, a); }
static ALWAYS_INLINE vec v_add(vec a, vec b) { return _mm512_add_ps(a, b); }
static ALWAYS_INLINE vec v_sub(vec a, vec b) { return _mm512_sub_ps(a, b); }
static ALWAYS_INLINE vec v_mul(vec a, vec b) { return _mm512_mul_ps(a, b); }
static ALWAYS_INLINE vec v_div(vec a, vec b) { return _mm512_div_ps(a, b); }
static ALWAYS_INLINE vec v_min(vec a, vec b) { return _mm512_min_ps(a, b); } /* b where a is NaN */
static ALWAYS_INLINE vec v_max(vec a, vec b) { return _mm512_max_ps(a, b); }
static ALWAYS_INLINE vec v_fma(vec a, vec b, vec c)
{
    return _mm512_fmadd_ps(a, b, c);
} /* ab + c */
static ALWAYS_INLINE vec v_abs(vec a) { return _mm512_abs_ps(a); }
/* a where the mask is set, b elsewhere */
static ALWAYS_INLINE vec v_choose(vmask m, vec a, vec b) { return _mm512_mask_mov_ps(b, m, a); }
static ALWAYS_INLINE vmask v_above(vec a, vec b) { return _mm512_cmp_ps_mask(a, b, _CMP_GT_OQ); }
static ALWAYS_INLINE float v_sum(vec a) { return _mm512_reduce_add_ps(a); }
static ALWAYS_INLINE float v_highest(vec a) { return _mm512_reduce_max_ps(a); }
static ALWAYS_INLINE float v_lowest_lane(vec a) { return _mm512_cvtss_f32(a); }
static ALWAYS_INLINE vec v_round(vec a)
{
    return _mm512_roundscale_ps(a, _MM_FROUND_TO_NEAREST_INT);
}
/* a * 2^n for whole n */
static ALWAYS_INLINE vec v_scale(vec a, vec n) { return _mm512_scalef_ps(a, n); }

static ALWAYS_INLINE dvec d_zero(void) { return _mm512_setzero_pd(); }
static ALWAYS_INLINE dvec d_set(double x) { return _mm512_set1_pd(x); }
static ALWAYS_INLINE dvec d_low(vec a) { return _mm512_cvtps_pd(_mm512_castps512_ps256(a)); }
static ALWAYS_INLINE dvec d_high(vec a) { return _mm512_cvtps_pd(_mm512_extractf32x8_ps(a, 1)); }
static ALWAYS_INLINE dvec d_add(dvec a, dvec b) { return _mm512_add_pd(a, b); }
static ALWAYS_INLINE dvec d_fma(dvec a, dvec b, dvec c) { return _mm512_fmadd_pd(a, b, c); }
static ALWAYS_INLINE double d_sum(dvec a) { return _mm512_reduce_add_pd(a); }

/* W numbers of a 16-bit or 8-bit type -> f32 */
static ALWAYS_INLINE vec v_load_f16(const void *p)
{
    return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i *)p));
}
static ALWAYS_INLINE vec v_load_bf16(const void *p)
{
    __m256i half = _mm256_loadu_si256((const __m256i *)p);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}
static ALWAYS_INLINE vec v_load_i8(const void *p)
{
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
/* The reverse; f16 for |a| <= 65504, int8 for whole |a| <= 127. */
static ALWAYS_INLINE void v_store_f16(void *p, vec a)
{
    _mm256_storeu_si256((__m256i *)p, _mm512_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
static ALWAYS_INLINE void v_store_i8(void *p, vec a)
{
    _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(a)));
}

/* 16 stored weights -> f32; lanes outside the mask are 0 and their memory is not touched. */
static ALWAYS_INLINE vec load_weights(const char *w, enum weight_type type, vmask mask)
{
    if (type == WEIGHT_F32)
        return mask == 0xffff ? _mm512_loadu_ps(w) : _mm512_maskz_loadu_ps(mask, w);
    __m256i half = mask == 0xffff ? _mm256_loadu_si256((const __m256i *)(const void *)w)
                                  : _mm256_maskz_loadu_epi16(mask, w);
    if (type == WEIGHT_F16) return _mm512_cvtph_ps(half);
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(half), 16));
}

#endif
