/* SPDX-License-Identifier: MIT
 * The entries of the AVX2 level (with FMA and F16C) and its vectors, under the names that the
 * shared bodies use. */
#ifndef KERNELS_X86_AVX2_H
#define KERNELS_X86_AVX2_H

#include <immintrin.h>
#include <string.h>

#include "levels.h"

void avx2_matmul(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                 const struct mat *w, const float *bias, int out_begin, int out_end, void *scratch);
void avx2_kv_put(void *k_block, void *v_block, enum kv_type type, int at, const float *k,
                 const float *v, int head_dim);
void avx2_pack(void *strip, enum weight_type type, const float *rows, int n_rows, int n_in);
void avx2_matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                          const struct mat *w, const float *bias, int out_begin, int out_end,
                          void *scratch);
void avx2_attend(const struct attend_args *args);
void avx2_attend_merge(float *out, float *states, int n_spans, int head_dim);

typedef __m256 vec;   /* of W floats */
typedef __m256d dvec; /* of W / 2 doubles */
typedef __m256i vmask;
#define LEVEL_VECTORS /* vec, dvec, vmask, W and the v_ and d_ functions are there */
enum { W = 8 };

/* The lowest n lanes; all of them for n >= W. */
static ALWAYS_INLINE vmask v_first(int64_t n)
{
    __m256i index = _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7);
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n >= W ? W : (int)n), index);
}

static ALWAYS_INLINE vec v_set(float x) { return _mm256_set1_ps(x); }
static ALWAYS_INLINE vec v_load(const float *p) { return _mm256_loadu_ps(p); }
static ALWAYS_INLINE void v_store(float *p, vec a) { _mm256_storeu_ps(p, a); }
/* Lanes outside the mask are 0 and their memory is not touched. */
static ALWAYS_INLINE vec v_load_some(const float *p, vmask m) { return _mm256_maskload_ps(p, m); }
static ALWAYS_INLINE void v_store_some(float *p, vmask m, vec a) { _mm256_maskstore_ps(p, m, a); }
static ALWAYS_INLINE vec v_add(vec a, vec b) { return _mm256_add_ps(a, b); }
static ALWAYS_INLINE vec v_sub(vec a, vec b) { return _mm256_sub_ps(a, b); }
static ALWAYS_INLINE vec v_mul(vec a, vec b) { return _mm256_mul_ps(a, b); }
static ALWAYS_INLINE vec v_div(vec a, vec b) { return _mm256_div_ps(a, b); }
static ALWAYS_INLINE vec v_min(vec a, vec b) { return _mm256_min_ps(a, b); } /* b where a is NaN */
static ALWAYS_INLINE vec v_max(vec a, vec b) { return _mm256_max_ps(a, b); }
static ALWAYS_INLINE vec v_fma(vec a, vec b, vec c)
{
    return _mm256_fmadd_ps(a, b, c);
} /* ab + c */
static ALWAYS_INLINE vec v_abs(vec a) { return _mm256_andnot_ps(_mm256_set1_ps(-0.0f), a); }
/* a where the mask is set, b elsewhere */
static ALWAYS_INLINE vec v_choose(vmask m, vec a, vec b)
{
    return _mm256_blendv_ps(b, a, _mm256_castsi256_ps(m));
}
static ALWAYS_INLINE vmask v_above(vec a, vec b)
{
    return _mm256_castps_si256(_mm256_cmp_ps(a, b, _CMP_GT_OQ));
}
static ALWAYS_INLINE float v_sum(vec a)
{
    __m128 s = _mm_add_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_add_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_add_ss(s, _mm_movehdup_ps(s)));
}
static ALWAYS_INLINE float v_highest(vec a)
{
    __m128 s = _mm_max_ps(_mm256_castps256_ps128(a), _mm256_extractf128_ps(a, 1));
    s = _mm_max_ps(s, _mm_movehl_ps(s, s));
    return _mm_cvtss_f32(_mm_max_ss(s, _mm_movehdup_ps(s)));
}
static ALWAYS_INLINE float v_lowest_lane(vec a) { return _mm256_cvtss_f32(a); }
static ALWAYS_INLINE vec v_round(vec a)
{
    return _mm256_round_ps(a, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
}
/* a * 2^n for whole n, |n| <= 252: in two steps, since 2^n alone may be outside f32 */
static ALWAYS_INLINE vec v_scale(vec a, vec n)
{
    __m256i bias = _mm256_set1_epi32(127), whole = _mm256_cvtps_epi32(n);
    __m256i half = _mm256_srai_epi32(whole, 1), rest = _mm256_sub_epi32(whole, half);
    half = _mm256_slli_epi32(_mm256_add_epi32(half, bias), 23);
    rest = _mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23);
    return v_mul(v_mul(a, _mm256_castsi256_ps(half)), _mm256_castsi256_ps(rest));
}

static ALWAYS_INLINE dvec d_zero(void) { return _mm256_setzero_pd(); }
static ALWAYS_INLINE dvec d_set(double x) { return _mm256_set1_pd(x); }
static ALWAYS_INLINE dvec d_low(vec a) { return _mm256_cvtps_pd(_mm256_castps256_ps128(a)); }
static ALWAYS_INLINE dvec d_high(vec a) { return _mm256_cvtps_pd(_mm256_extractf128_ps(a, 1)); }
static ALWAYS_INLINE dvec d_add(dvec a, dvec b) { return _mm256_add_pd(a, b); }
static ALWAYS_INLINE dvec d_fma(dvec a, dvec b, dvec c) { return _mm256_fmadd_pd(a, b, c); }
static ALWAYS_INLINE double d_sum(dvec a)
{
    __m128d s = _mm_add_pd(_mm256_castpd256_pd128(a), _mm256_extractf128_pd(a, 1));
    return _mm_cvtsd_f64(_mm_add_sd(s, _mm_unpackhi_pd(s, s)));
}

/* W numbers of a 16-bit or 8-bit type -> f32 */
static ALWAYS_INLINE vec v_load_f16(const void *p)
{
    return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i *)p));
}
static ALWAYS_INLINE vec v_load_bf16(const void *p)
{
    __m128i half = _mm_loadu_si128((const __m128i *)p);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}
static ALWAYS_INLINE vec v_load_i8(const void *p)
{
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
/* The reverse; f16 for |a| <= 65504, int8 for whole |a| <= 127. */
static ALWAYS_INLINE void v_store_f16(void *p, vec a)
{
    _mm_storeu_si128((__m128i *)p, _mm256_cvtps_ph(a, _MM_FROUND_TO_NEAREST_INT));
}
static ALWAYS_INLINE void v_store_i8(void *p, vec a)
{
    __m256i whole = _mm256_cvtps_epi32(a);
    __m128i half =
        _mm_packs_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
    _mm_storel_epi64((__m128i *)p, _mm_packs_epi16(half, half));
}

static ALWAYS_INLINE vec widen8(__m128i half, enum weight_type type)
{
    if (type == WEIGHT_F16) return _mm256_cvtph_ps(half);
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(half), 16));
}

/* 8 stored weights -> f32. */
static ALWAYS_INLINE vec load_weights(const char *w, enum weight_type type)
{
    if (type == WEIGHT_F32) return _mm256_loadu_ps((const float *)(const void *)w);
    return widen8(_mm_loadu_si128((const __m128i *)(const void *)w), type);
}

/* The first n < 8 of them, zeros behind; no memory beyond is touched. */
static ALWAYS_INLINE vec load_some_weights(const char *w, enum weight_type type, int n)
{
    if (type == WEIGHT_F32) return v_load_some((const float *)(const void *)w, v_first(n));
    uint16_t part[8] = {0};
    memcpy(part, w, sizeof part[0] * (size_t)n);
    return widen8(_mm_loadu_si128((const __m128i *)(const void *)part), type);
}

#endif
