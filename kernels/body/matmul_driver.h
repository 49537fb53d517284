/* SPDX-License-Identifier: MIT
 * How a product is cut into register tiles; included once by each level's matmul file, which
 * defines
 * - TILE_ROWS: rows of x in one tile;
 * - xval, wval: what a row of x and a panel hold (float; bf16 as uint16_t);
 * - CUT_IN, CUT_STRIDE: inputs of a panel, and values between its rows;
 * - tile_stored: one tile, from weights as they are stored; tile_panel: from a panel;
 * - widen_row: n stored weights to wval.
 *
 * Few rows: each tile widens its weights in registers, with nothing stored. Many rows: a panel of
 * PANEL_OUTS x CUT_IN weights is widened once into scratch (it stays in the second-level cache)
 * and all rows pass over it. Both add the same partial sums of CUT_IN inputs in the same order,
 * so they give the same bits. */
#ifndef KERNELS_MATMUL_DRIVER_H
#define KERNELS_MATMUL_DRIVER_H

#ifndef LEVEL_VECTORS
#error "matmul_driver.h needs the vectors of a level: include its header first"
#endif
#if !defined TILE_ROWS || !defined CUT_IN || !defined CUT_STRIDE
#error "matmul_driver.h needs TILE_ROWS, CUT_IN and CUT_STRIDE"
#endif

#include "levels.h"

static int panel_outs(int n) { return at_most(n, PANEL_OUTS); }

#include "panels.h"

enum {
    TILE_OUTS = 4,
    FEW_ROWS = 8 * TILE_ROWS /* above this a panel pays */
};

/* Adds the products of n inputs to y[r][0 … n_outs-1]. w[o] with o >= n_outs repeats a valid row:
 * it is computed and not stored. */
struct tile {
    float *y;
    int64_t y_stride;
    const xval *x;
    int64_t x_stride;
    const char *w[TILE_OUTS];
    int n_outs, n;
};

static void tile_stored(int rows, enum weight_type type, const struct tile *t);
static void tile_panel(int rows, const struct tile *t);
static void widen_row(wval *y, const char *w, enum weight_type type, int n);

/* At most FEW_ROWS rows: weights come straight from where they are stored, and stay near for all
 * rows. */
static void few_rows(struct tile t, int n_rows, const struct mat *w, int out_begin, int out_end)
{
    float *y = t.y;
    const xval *x = t.x;
    size_t item = weight_bytes(w->type), row_bytes = item * (size_t)w->n_in;
    for (int out = out_begin; out < out_end; out += TILE_OUTS) {
        t.n_outs = at_most(out_end - out, TILE_OUTS);
        for (int in = 0; in < w->n_in; in += CUT_IN) {
            t.n = at_most(w->n_in - in, CUT_IN);
            for (int o = 0; o < TILE_OUTS; o++)
                t.w[o] = (const char *)w->data + row_bytes * (size_t)at_most(out + o, out_end - 1) +
                         item * (size_t)in;
            for (int r = 0; r < n_rows; r += TILE_ROWS) {
                t.y = y + r * t.y_stride + out;
                t.x = x + r * t.x_stride + in;
                tile_stored(at_most(n_rows - r, TILE_ROWS), w->type, &t);
            }
        }
    }
}

/* Asks for share `part` of n_parts of the stored weights that are widened next. */
static void prefetch_panel(struct panel p, const struct mat *w, int part, int n_parts)
{
    int begin = (int)((int64_t)p.n_outs * part / n_parts);
    int end = (int)((int64_t)p.n_outs * (part + 1) / n_parts);
    size_t n_bytes = weight_bytes(w->type) * (size_t)p.n;
    for (int o = begin; o < end; o++)
        for (size_t i = 0; i < n_bytes; i += 64) __builtin_prefetch(panel_row(p, w, o) + i, 0, 2);
}

/* Asks for line `part` of n_parts shares of the next rows' inputs, so that they are near when their
 * turn comes. */
static inline void prefetch_rows(const xval *x, int64_t x_stride, int n_rows, int n, int part,
                                 int n_parts)
{
    enum { PER_LINE = 64 / sizeof *x };
    int lines = (n + PER_LINE - 1) / PER_LINE, begin = lines * part / n_parts,
        end = lines * (part + 1) / n_parts;
    for (int r = 0; r < n_rows; r++)
        for (int i = begin; i < end; i++)
            __builtin_prefetch(x + r * x_stride + (int64_t)i * PER_LINE, 0, 2);
}

/* All rows over one widened panel. t: y and x of the panel's first output and input. */
static void pass_panel(struct tile t, int n_rows, int n_outs, const wval *panel,
                       struct panel coming, const struct mat *w)
{
    float *y = t.y;
    const xval *x = t.x;
    const int n_tiles = (n_rows + TILE_ROWS - 1) / TILE_ROWS;
    for (int r = 0; r < n_rows; r += TILE_ROWS) {
        int rows = at_most(n_rows - r, TILE_ROWS), next = at_most(n_rows - r - rows, TILE_ROWS);
        t.x = x + r * t.x_stride;
        prefetch_panel(coming, w, r / TILE_ROWS, n_tiles);
        for (int out = 0; out < n_outs; out += TILE_OUTS) {
            t.y = y + r * t.y_stride + out;
            t.n_outs = at_most(n_outs - out, TILE_OUTS);
            for (int o = 0; o < TILE_OUTS; o++)
                t.w[o] = (const char *)(panel + (size_t)at_most(out + o, n_outs - 1) * CUT_STRIDE);
            prefetch_rows(t.x + rows * t.x_stride, t.x_stride, next, t.n, out, n_outs);
            tile_panel(rows, &t);
        }
    }
}

static void many_rows(struct tile t, int n_rows, const struct mat *w, int out_begin, int out_end,
                      wval *widened)
{
    float *y = t.y;
    const xval *x = t.x;
    struct panel p = panel_first(w, out_begin, out_end);
    while (p.n_outs > 0) {
        struct panel next = panel_next(p, w, out_end);
        for (int o = 0; o < p.n_outs; o++)
            widen_row(widened + (size_t)o * CUT_STRIDE, panel_row(p, w, o), w->type, p.n);
        t.n = p.n;
        t.y = y + p.out;
        t.x = x + p.in;
        pass_panel(t, n_rows, p.n_outs, widened, next, w);
        p = next;
    }
}

static void matmul(float *y, int64_t y_stride, const xval *x, int64_t x_stride, int n_rows,
                   const struct mat *w, const float *bias, int out_begin, int out_end,
                   void *scratch)
{
    struct tile t = {.y = y, .y_stride = y_stride, .x = x, .x_stride = x_stride};
    for (int r = 0; r < n_rows; r++)
        for (int o = out_begin; o < out_end; o++) y[r * y_stride + o] = bias ? bias[o] : 0;
    if (n_rows <= FEW_ROWS)
        few_rows(t, n_rows, w, out_begin, out_end);
    else
        many_rows(t, n_rows, w, out_begin, out_end, scratch);
}

#endif
