/* SPDX-License-Identifier: MIT
 * The 12 accumulators of a tile are 24 of the 32 registers. */
#include "neon.h"

typedef float xval, wval;
#define TILE_ROWS 3
#define STEP W
#define CUT_IN PANEL_IN
#define CUT_STRIDE PANEL_STRIDE

static ALWAYS_INLINE vec load_x(const xval *x) { return v_load(x); }
static ALWAYS_INLINE vec load_some_x(const xval *x, int n) { return v_load_some(x, v_first(n)); }
static ALWAYS_INLINE vec add_products(vec x, vec w, vec acc) { return v_fma(x, w, acc); }

#include "neon_fold.h"
#include "body/widened_tiles.h"

static void widen_row(float *y, const char *w, enum weight_type type, int n)
{
    size_t item = weight_bytes(type);
    int i = 0;
    for (; i + W <= n; i += W) v_store(y + i, load_weights(w + item * (size_t)i, type));
    if (i < n) v_store(y + i, load_some_weights(w + item * (size_t)i, type, n - i));
}

void neon_matmul(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                 const struct mat *w, const float *bias, int out_begin, int out_end, void *scratch)
{
    matmul(y, y_stride, x, x_stride, n_rows, w, bias, out_begin, out_end, scratch);
}
