/* SPDX-License-Identifier: MIT
 * A tile of up to 3 rows x 4 outputs whose lanes run along the inputs: 12 accumulators. Included by
 * a level's matmul file, which defines what matmul_driver.h asks for, but tile_stored and
 * tile_panel, and
 * - STEP: inputs in a vector;
 * - load_x, load_weights; load_some_x, load_some_weights: the first n < STEP, zeros behind, no
 *   memory beyond touched;
 * - add_products(x, w, acc), add_row(y, acc, n_outs): adds the lanes of each accumulator to y,
 *   always in one order. */
#ifndef KERNELS_MATMUL_BODY_H
#define KERNELS_MATMUL_BODY_H

#ifndef LEVEL_VECTORS
#error "matmul_body.h needs the vectors of a level: include its header first"
#endif
#if !defined STEP
#error "matmul_body.h needs STEP"
#endif

#include "matmul_driver.h"

static ALWAYS_INLINE void add_row(float *y, const vec acc[TILE_OUTS], int n_outs);

/* rows and type are constants where this is inlined, so acc lives in registers. */
static ALWAYS_INLINE void tile(int rows, enum weight_type type, const struct tile *t)
{
    const char *w0 = t->w[0], *w1 = t->w[1], *w2 = t->w[2], *w3 = t->w[3];
    const xval *x = t->x;
    const int64_t x_stride = t->x_stride;
    const size_t item = weight_bytes(type);
    const int n = t->n;
    vec acc[TILE_ROWS][TILE_OUTS];
    for (int r = 0; r < rows; r++)
        for (int o = 0; o < TILE_OUTS; o++) acc[r][o] = v_set(0);
    int i = 0;
    for (; i + STEP <= n; i += STEP) {
        size_t at = item * (size_t)i;
        if (rows == 1) { /* streaming from memory */
            __builtin_prefetch(w0 + at + 1024);
            __builtin_prefetch(w1 + at + 1024);
            __builtin_prefetch(w2 + at + 1024);
            __builtin_prefetch(w3 + at + 1024);
        }
        vec xr[TILE_ROWS];
        for (int r = 0; r < rows; r++) xr[r] = load_x(x + r * x_stride + i);
#define ADD_OUT(o, load)                                                                           \
    {                                                                                              \
        vec w = load;                                                                              \
        for (int r = 0; r < rows; r++) acc[r][o] = add_products(xr[r], w, acc[r][o]);              \
    }
        ADD_OUT(0, load_weights(w0 + at, type))
        ADD_OUT(1, load_weights(w1 + at, type))
        ADD_OUT(2, load_weights(w2 + at, type))
        ADD_OUT(3, load_weights(w3 + at, type))
    }
    if (i < n) {
        size_t at = item * (size_t)i;
        vec xr[TILE_ROWS];
        for (int r = 0; r < rows; r++) xr[r] = load_some_x(x + r * x_stride + i, n - i);
        ADD_OUT(0, load_some_weights(w0 + at, type, n - i))
        ADD_OUT(1, load_some_weights(w1 + at, type, n - i))
        ADD_OUT(2, load_some_weights(w2 + at, type, n - i))
        ADD_OUT(3, load_some_weights(w3 + at, type, n - i))
    }
#undef ADD_OUT
    for (int r = 0; r < rows; r++) add_row(t->y + r * t->y_stride, acc[r], t->n_outs);
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

#endif
