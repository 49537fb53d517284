/* SPDX-License-Identifier: MIT
 * A tile is 6 rows x 4 outputs: 24 accumulators of 16 lanes, 10 loads for 24 multiply-adds. */
#include "avx512.h"

typedef float xval, wval;
#define TILE_ROWS 6
#define CUT_IN PANEL_IN
#define CUT_STRIDE PANEL_STRIDE

#include "avx512_fold.h"

/* rows and type are constants where this is inlined, so acc lives in registers. */
static ALWAYS_INLINE void tile(int rows, enum weight_type type, const struct tile *t)
{
    const size_t item = type == WEIGHT_F32 ? 4 : 2;
    __m512 acc[8][TILE_OUTS];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++)
#pragma GCC unroll 4
        for (int o = 0; o < TILE_OUTS; o++) acc[r][o] = _mm512_setzero_ps();
    const char *w0 = t->w[0], *w1 = t->w[1], *w2 = t->w[2], *w3 = t->w[3];
    const float *x = t->x;
    const int64_t x_stride = t->x_stride;
    const int n = t->n;
    int i = 0;
    for (; i + 16 <= n; i += 16) {
        size_t at = item * (size_t)i;
        if (rows <= 2 && item == 2) { /* streaming from memory */
            _mm_prefetch(w0 + at + 1024, _MM_HINT_T0);
            _mm_prefetch(w1 + at + 1024, _MM_HINT_T0);
            _mm_prefetch(w2 + at + 1024, _MM_HINT_T0);
            _mm_prefetch(w3 + at + 1024, _MM_HINT_T0);
        }
        __m512 w[TILE_OUTS] = {
            load_weights(w0 + at, type, 0xffff), load_weights(w1 + at, type, 0xffff),
            load_weights(w2 + at, type, 0xffff), load_weights(w3 + at, type, 0xffff)};
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            __m512 xr = _mm512_loadu_ps(x + r * x_stride + i);
#pragma GCC unroll 4
            for (int o = 0; o < TILE_OUTS; o++) acc[r][o] = _mm512_fmadd_ps(xr, w[o], acc[r][o]);
        }
    }
    if (i < n) {
        size_t at = item * (size_t)i;
        const vmask mask = v_first(n - i);
        __m512 w[TILE_OUTS] = {load_weights(w0 + at, type, mask), load_weights(w1 + at, type, mask),
                               load_weights(w2 + at, type, mask),
                               load_weights(w3 + at, type, mask)};
#pragma GCC unroll 6
        for (int r = 0; r < rows; r++) {
            __m512 xr = _mm512_maskz_loadu_ps(mask, x + r * x_stride + i);
#pragma GCC unroll 4
            for (int o = 0; o < TILE_OUTS; o++) acc[r][o] = _mm512_fmadd_ps(xr, w[o], acc[r][o]);
        }
    }
    __mmask8 outs = (__mmask8)((1u << t->n_outs) - 1);
    add_rows(t->y, t->y_stride, rows, fold(acc), outs);
    if (rows > 4) add_rows(t->y + 4 * t->y_stride, t->y_stride, rows - 4, fold(acc + 4), outs);
}

#include "avx512_tile_rows.h"
#include "body/widened_tiles.h"

static void widen_row(float *y, const char *w, enum weight_type type, int n)
{
    for (int i = 0; i < n; i += 16)
        _mm512_storeu_ps(y + i,
                         load_weights(w + weight_bytes(type) * (size_t)i, type, v_first(n - i)));
}

void avx512_matmul(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                   const struct mat *w, const float *bias, int out_begin, int out_end,
                   void *scratch)
{
    matmul(y, y_stride, x, x_stride, n_rows, w, bias, out_begin, out_end, scratch);
}
