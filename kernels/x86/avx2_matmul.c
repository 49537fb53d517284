/* SPDX-License-Identifier: MIT
 * The 12 accumulators of a tile are 12 of the 16 registers. */
#include "avx2.h"

typedef float xval, wval;
#define TILE_ROWS 3
#define STEP W
#define CUT_IN PANEL_IN
#define CUT_STRIDE PANEL_STRIDE

static ALWAYS_INLINE vec load_x(const xval *x) { return v_load(x); }
static ALWAYS_INLINE vec load_some_x(const xval *x, int n) { return v_load_some(x, v_first(n)); }
static ALWAYS_INLINE vec add_products(vec x, vec w, vec acc) { return v_fma(x, w, acc); }

#include "body/matmul_body.h"

/* Sums of the lanes of 4 accumulators, each folded 4+4, 2+2, 1+1. */
static ALWAYS_INLINE __m128 fold(const __m256 acc[TILE_OUTS])
{
    __m256 low =
        _mm256_add_ps(_mm256_unpacklo_ps(acc[0], acc[1]), _mm256_unpackhi_ps(acc[0], acc[1]));
    __m256 high =
        _mm256_add_ps(_mm256_unpacklo_ps(acc[2], acc[3]), _mm256_unpackhi_ps(acc[2], acc[3]));
    __m256d l = _mm256_castps_pd(low), h = _mm256_castps_pd(high);
    __m256 sums = _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(l, h)),
                                _mm256_castpd_ps(_mm256_unpackhi_pd(l, h)));
    return _mm_add_ps(_mm256_castps256_ps128(sums), _mm256_extractf128_ps(sums, 1));
}

static ALWAYS_INLINE void add_row(float *y, const vec acc[TILE_OUTS], int n_outs)
{
    __m128 sums = fold(acc);
    if (n_outs == TILE_OUTS) {
        _mm_storeu_ps(y, _mm_add_ps(_mm_loadu_ps(y), sums));
        return;
    }
    float part[TILE_OUTS];
    _mm_storeu_ps(part, sums);
    for (int o = 0; o < n_outs; o++) y[o] += part[o];
}

#include "body/widened_tiles.h"

static void widen_row(float *y, const char *w, enum weight_type type, int n)
{
    size_t item = weight_bytes(type);
    int i = 0;
    for (; i + 8 <= n; i += 8) _mm256_storeu_ps(y + i, load_weights(w + item * (size_t)i, type));
    if (i < n) _mm256_storeu_ps(y + i, load_some_weights(w + item * (size_t)i, type, n - i));
}

void avx2_matmul(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                 const struct mat *w, const float *bias, int out_begin, int out_end, void *scratch)
{
    matmul(y, y_stride, x, x_stride, n_rows, w, bias, out_begin, out_end, scratch);
}
