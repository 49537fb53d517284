/* SPDX-License-Identifier: MIT
 * A tile is 3 rows x 4 outputs: 12 accumulators of 8 lanes in 16 registers. */
#include "avx2.h"

typedef float xval, wval;
enum { TILE_ROWS = 3, CUT_IN = PANEL_IN, CUT_STRIDE = PANEL_STRIDE };

#include "body/matmul_driver.h"

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

static ALWAYS_INLINE void add_row(float *y, __m128 sums, int n_outs)
{
    if (n_outs == TILE_OUTS) {
        _mm_storeu_ps(y, _mm_add_ps(_mm_loadu_ps(y), sums));
        return;
    }
    float part[TILE_OUTS];
    _mm_storeu_ps(part, sums);
    for (int o = 0; o < n_outs; o++) y[o] += part[o];
}

/* rows and type are constants where this is inlined, so acc lives in registers. */
static ALWAYS_INLINE void tile(int rows, enum weight_type type, const struct tile *t)
{
    const char *w0 = t->w[0], *w1 = t->w[1], *w2 = t->w[2], *w3 = t->w[3];
    const float *x = t->x;
    const int64_t x_stride = t->x_stride;
    const size_t item = type == WEIGHT_F32 ? 4 : 2;
    const int n = t->n;
    __m256 acc[TILE_ROWS][TILE_OUTS];
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < TILE_OUTS; o++) acc[r][o] = _mm256_setzero_ps();
    int i = 0;
    for (; i + 8 <= n; i += 8) {
        size_t at = item * (size_t)i;
        if (rows == 1) { /* streaming from memory */
            _mm_prefetch(w0 + at + 1024, _MM_HINT_T0);
            _mm_prefetch(w1 + at + 1024, _MM_HINT_T0);
            _mm_prefetch(w2 + at + 1024, _MM_HINT_T0);
            _mm_prefetch(w3 + at + 1024, _MM_HINT_T0);
        }
        __m256 xr[TILE_ROWS];
        for (int r = 0; r < rows; r++) xr[r] = _mm256_loadu_ps(x + r * x_stride + i);
#define ADD_OUT(o, load)                                                                           \
    {                                                                                              \
        __m256 w = load;                                                                           \
        for (int r = 0; r < rows; r++) acc[r][o] = _mm256_fmadd_ps(xr[r], w, acc[r][o]);           \
    }
        ADD_OUT(0, load_weights(w0 + at, type))
        ADD_OUT(1, load_weights(w1 + at, type))
        ADD_OUT(2, load_weights(w2 + at, type))
        ADD_OUT(3, load_weights(w3 + at, type))
    }
    if (i < n) {
        size_t at = item * (size_t)i;
        __m256 xr[TILE_ROWS];
        for (int r = 0; r < rows; r++)
            xr[r] = _mm256_maskload_ps(x + r * x_stride + i, v_first(n - i));
        ADD_OUT(0, load_some_weights(w0 + at, type, n - i))
        ADD_OUT(1, load_some_weights(w1 + at, type, n - i))
        ADD_OUT(2, load_some_weights(w2 + at, type, n - i))
        ADD_OUT(3, load_some_weights(w3 + at, type, n - i))
    }
#undef ADD_OUT
    for (int r = 0; r < rows; r++) add_row(t->y + r * t->y_stride, fold(acc[r]), t->n_outs);
}

static ALWAYS_INLINE void tile_rows(int rows, enum weight_type type, const struct tile *t)
{
    switch (rows) {
    case 1:
        tile(1, type, t);
        break;
    case 2:
        tile(2, type, t);
        break;
    default:
        tile(3, type, t);
        break;
    }
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
