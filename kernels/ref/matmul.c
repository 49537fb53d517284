/* SPDX-License-Identifier: MIT
 * y = x w^T. Every output is the sum, in order, of one partial sum per PANEL_IN inputs; a partial
 * sum runs in LANES independent lanes. Rows and outputs never mix, so no split changes a bit. */
#include "ref.h"

enum { LANES = 16, TILE_OUTS = 4 };

static float dot(const float *a, const float *b, int n)
{
    float lane[LANES] = {0};
    int i = 0;
    for (; i + LANES <= n; i += LANES)
        for (int j = 0; j < LANES; j++) lane[j] += a[i + j] * b[i + j];
    for (int j = 0; i + j < n; j++) lane[j] += a[i + j] * b[i + j];
    for (int half = LANES / 2; half > 0; half /= 2)
        for (int j = 0; j < half; j++) lane[j] += lane[j + half];
    return lane[0];
}

/* Adds inputs [in, in + n) of outputs [out, out + n_outs) to every row; panel: their widened
 * weights. */
static void add_block(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                      const struct mat *w, int out, int n_outs, int in, int n, float *panel)
{
    for (int o = 0; o < n_outs; o++) {
        size_t first = (size_t)(out + o) * (size_t)w->n_in + (size_t)in;
        const char *row = (const char *)w->data + first * weight_bytes(w->type);
        ref_widen(panel + o * PANEL_STRIDE, row, w->type, n);
    }
    for (int r = 0; r < n_rows; r++)
        for (int o = 0; o < n_outs; o++)
            y[r * y_stride + out + o] += dot(x + r * x_stride + in, panel + o * PANEL_STRIDE, n);
}

void ref_matmul(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                const struct mat *w, const float *bias, int out_begin, int out_end, void *scratch)
{
    for (int r = 0; r < n_rows; r++)
        for (int o = out_begin; o < out_end; o++) y[r * y_stride + o] = bias ? bias[o] : 0;
    for (int out = out_begin; out < out_end; out += TILE_OUTS) {
        int n_outs = out_end - out < TILE_OUTS ? out_end - out : TILE_OUTS;
        for (int in = 0; in < w->n_in; in += PANEL_IN) {
            int n = w->n_in - in < PANEL_IN ? w->n_in - in : PANEL_IN;
            add_block(y, y_stride, x, x_stride, n_rows, w, out, n_outs, in, n, scratch);
        }
    }
}
