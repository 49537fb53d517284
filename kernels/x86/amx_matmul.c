/* SPDX-License-Identifier: MIT
 * Products of bf16 weights, row-major as they are stored, with activations rounded to bf16, on the
 * tile unit: 16 rows by 32 inputs times 32 inputs by 16 rows an instruction.
 *
 * One of the two matrices is packed into tiles of pairs, the other is read as it lies: with few rows
 * of activations those are packed and the weights come straight from the file; with many the weights
 * are, a panel at a time. A product of two numbers is the same from either side, so both ways give
 * the same bits: chains of CUT_IN inputs, STEP by STEP, added to y in order. */
#include <stdbool.h>

#include "amx.h"
#include "amx_tiles.h"
#include "avx512_bf16_panel.h"
#include "packed.h"

enum {
    FEW_ROWS = PANEL_OUTS, // at most these are packed instead of the weights
    PAIR = 2               // tiles of either matrix that are multiplied together
};
_Static_assert(PANEL_OUTS % (PAIR * TILE) == 0, "whole pairs of tiles");
_Static_assert((int)TILE_ROW_BYTES == 2 * (int)STEP, "a step is a row of a tile");

/* -- Products of tiles ------------------------------------------------------------------------ */

/* Rows as they lie, up to PAIR tiles of them. */
struct operand {
    const char *tile[PAIR]; // its first row, from the panel's first input on
    int64_t row_bytes;
    const char *last[PAIR]; // NULL, or a copy of the last step with zeros behind the last input
};

/* Adds one step: n_a and n_b are constants. */
static ALWAYS_INLINE void add_step(int n_a, int n_b, const char *a0, const char *a1,
                                   int64_t row_bytes, const char *b)
{
    tile_load(4, a0, row_bytes);
    tile_load(6, b, TILE_ROW_BYTES);
    tile_dot(0, 4, 6);
    if (n_b > 1) {
        tile_load(7, b + CUT_BYTES, TILE_ROW_BYTES);
        tile_dot(1, 4, 7);
    }
    if (n_a > 1) {
        tile_load(5, a1, row_bytes);
        tile_dot(2, 5, 6);
        if (n_b > 1) tile_dot(3, 5, 7);
    }
}

/* sums[i][j][row of a][row of b] over n_steps, for n_a and n_b (constants) tiles. */
static ALWAYS_INLINE void multiply_tiles(int n_a, int n_b, float *sums, const struct operand *a,
                                         const char *b, int n_steps)
{
    const char *a0 = a->tile[0], *a1 = a->tile[1];
    const int64_t row_bytes = a->row_bytes;
    const int n_there = n_steps - (a->last[0] != NULL);
    tile_zero(0);
    if (n_b > 1) tile_zero(1);
    if (n_a > 1) tile_zero(2);
    if (n_a > 1 && n_b > 1) tile_zero(3);
    for (int s = 0; s < n_there; s++) {
        add_step(n_a, n_b, a0, a1, row_bytes, b);
        a0 += TILE_ROW_BYTES;
        if (n_a > 1) a1 += TILE_ROW_BYTES;
        b += TILE_BYTES;
    }
    if (n_there < n_steps) add_step(n_a, n_b, a->last[0], a->last[1], TILE_ROW_BYTES, b);
    tile_store(0, sums, TILE_ROW_BYTES);
    if (n_b > 1) tile_store(1, sums + TILE * TILE, TILE_ROW_BYTES);
    if (n_a > 1) tile_store(2, sums + 2 * TILE * TILE, TILE_ROW_BYTES);
    if (n_a > 1 && n_b > 1) tile_store(3, sums + 3 * TILE * TILE, TILE_ROW_BYTES);
}

static void multiply(int n_a, int n_b, float *sums, const struct operand *a, const char *b,
                     int n_steps)
{
    if (n_a > 1 && n_b > 1)
        multiply_tiles(2, 2, sums, a, b, n_steps);
    else if (n_a > 1)
        multiply_tiles(2, 1, sums, a, b, n_steps);
    else if (n_b > 1)
        multiply_tiles(1, 2, sums, a, b, n_steps);
    else
        multiply_tiles(1, 1, sums, a, b, n_steps);
}

/* The tiles that cover rows [row, end) of n_rows. Where fewer than TILE are left, a tile begins
 * earlier, so that it ends with the last row; *ret_skip: its rows before the wanted ones. */
static int place_tiles(struct operand *to, const char *rows, int64_t row_bytes, int row, int end,
                       int n_rows, int ret_skip[PAIR])
{
    const int n_tiles = at_most((end - row + TILE - 1) / TILE, PAIR);
    const int last = n_rows > TILE ? n_rows - TILE : 0;
    *to = (struct operand){.row_bytes = row_bytes};
    for (int i = 0; i < n_tiles; i++, row += TILE) {
        const int first = at_most(row, last);
        to->tile[i] = rows + first * row_bytes;
        ret_skip[i] = row - first;
    }
    return n_tiles;
}

/* Outputs first … first+n-1 of TILE, for n_rows rows. */
static void add_sums(float *y, int64_t y_stride, const float *sums, int n_rows, int first, int n)
{
    const vmask wanted = (vmask)(((1u << n) - 1) << first);
    for (int r = 0; r < n_rows; r++, y += y_stride, sums += TILE)
        v_store_some(y, wanted, v_add(v_load_some(y, wanted), v_load(sums)));
}

static void transpose_sums(float *sums)
{
    __m512i r[TILE];
    for (int i = 0; i < TILE; i++) r[i] = _mm512_load_si512(sums + i * TILE);
    transpose(r);
    for (int i = 0; i < TILE; i++) _mm512_store_si512(sums + i * TILE, r[i]);
}

/* -- The two ways ----------------------------------------------------------------------------- */

struct product {
    float *y;
    int64_t y_stride;
    const char *x;
    int64_t x_bytes; // of a row
    int n_rows;
    const char *w;
    int64_t w_bytes; // of a row
    int n_in, n_out, out_begin, out_end;
    char *panel;
    float *sums; // [PAIR][PAIR][TILE][TILE]
};

/* Weights end with the last input, so what a step reads behind it must come from a copy. */
static void copy_last_steps(struct operand *a, int n_tiles, int n_rows, int n, char *copies)
{
    const int at = n / STEP * STEP;
    const __mmask32 mask = (1u << (n - at)) - 1;
    for (int i = 0; i < n_tiles && mask; i++, copies += TILE_BYTES) {
        for (int r = 0; r < n_rows; r++)
            _mm512_store_si512(
                copies + r * TILE_ROW_BYTES,
                _mm512_maskz_loadu_epi16(mask, a->tile[i] + r * a->row_bytes + 2 * at));
        a->last[i] = copies;
    }
}

/* Two tiles of weights from `out` on over all rows of a cut. */
static void few_rows_by_outs(const struct product *p, int in, int n, int out)
{
    _Alignas(64) char copies[PAIR * TILE_BYTES];
    struct operand a;
    int skip[PAIR];
    const int n_a = place_tiles(&a, p->w + 2 * in, p->w_bytes, out, p->out_end, p->n_out, skip);
    copy_last_steps(&a, n_a, at_most(p->n_out, TILE), n, copies);
    for (int row = 0; row < p->n_rows; row += PAIR * TILE) {
        const int n_b = at_most((p->n_rows - row + TILE - 1) / TILE, PAIR);
        multiply(n_a, n_b, p->sums, &a, p->panel + row / TILE * CUT_BYTES, whole_steps(n));
        for (int i = 0; i < n_a; i++)
            for (int j = 0; j < n_b; j++) {
                const int first_row = row + j * TILE, first_out = out + i * TILE;
                float *sums = p->sums + (i * PAIR + j) * TILE * TILE;
                transpose_sums(sums);
                add_sums(p->y + first_row * p->y_stride + first_out - skip[i], p->y_stride, sums,
                         at_most(p->n_rows - first_row, TILE), skip[i],
                         at_most(p->out_end - first_out, TILE - skip[i]));
            }
    }
}

static void few_rows(const struct product *p)
{
    for (int in = 0; in < p->n_in; in += CUT_IN) {
        const int n = at_most(p->n_in - in, CUT_IN);
        for (int row = 0; row < p->n_rows; row += TILE)
            pack_rows(p->panel + row / TILE * CUT_BYTES, p->x + row * p->x_bytes + 2 * in,
                      p->x_bytes, at_most(p->n_rows - row, TILE), n);
        for (int out = p->out_begin; out < p->out_end; out += PAIR * TILE)
            few_rows_by_outs(p, in, n, out);
    }
}

/* Two tiles of rows from `row` on over a panel of weights. */
static void many_rows_by_rows(const struct product *p, int in, int n, int out, int n_outs, int row)
{
    struct operand a;
    int skip[PAIR];
    const int n_a = place_tiles(&a, p->x + 2 * in, p->x_bytes, row, p->n_rows, p->n_rows, skip);
    for (int o = 0; o < n_outs; o += PAIR * TILE) {
        const int n_b = at_most((n_outs - o + TILE - 1) / TILE, PAIR);
        multiply(n_a, n_b, p->sums, &a, p->panel + o / TILE * CUT_BYTES, whole_steps(n));
        for (int i = 0; i < n_a; i++)
            for (int j = 0; j < n_b; j++) {
                const int first_row = row + i * TILE, first_out = o + j * TILE;
                add_sums(p->y + first_row * p->y_stride + out + first_out, p->y_stride,
                         p->sums + ((i * PAIR + j) * TILE + skip[i]) * TILE,
                         at_most(p->n_rows - first_row, TILE - skip[i]), 0,
                         at_most(n_outs - first_out, TILE));
            }
    }
}

static void many_rows(const struct product *p)
{
    for (int out = p->out_begin; out < p->out_end; out += PANEL_OUTS) {
        const int n_outs = at_most(p->out_end - out, PANEL_OUTS);
        for (int in = 0; in < p->n_in; in += CUT_IN) {
            const int n = at_most(p->n_in - in, CUT_IN);
            for (int o = 0; o < n_outs; o += TILE)
                pack_rows(p->panel + o / TILE * CUT_BYTES, p->w + (out + o) * p->w_bytes + 2 * in,
                          p->w_bytes, at_most(n_outs - o, TILE), n);
            for (int row = 0; row < p->n_rows; row += PAIR * TILE)
                many_rows_by_rows(p, in, n, out, n_outs, row);
        }
    }
}

/* -- The entries ------------------------------------------------------------------------------ */

typedef uint16_t xval; /* bf16 */

/* a_rows: of the tiles that are read as they lie, and of the sums. */
static void begin_product(int a_rows)
{
    struct tile_config config = {.palette = 1};
    for (int sums = 0; sums < 4; sums++) tile_shape(&config, sums, a_rows, TILE_ROW_BYTES);
    for (int a = 4; a < 6; a++) tile_shape(&config, a, a_rows, TILE_ROW_BYTES);
    for (int b = 6; b < 8; b++) tile_shape(&config, b, TILE, TILE_ROW_BYTES);
    tiles_begin(&config);
}

static void matmul(float *y, int64_t y_stride, const xval *x, int64_t x_stride, int n_rows,
                   const struct mat *w, const float *bias, int out_begin, int out_end,
                   void *scratch)
{
    _Alignas(64) float sums[PAIR * PAIR * TILE * TILE];
    const struct product p = {.y = y,
                              .y_stride = y_stride,
                              .x = (const char *)x,
                              .x_bytes = 2 * x_stride,
                              .n_rows = n_rows,
                              .w = w->data,
                              .w_bytes = 2 * (int64_t)w->n_in,
                              .n_in = w->n_in,
                              .n_out = w->n_out,
                              .out_begin = out_begin,
                              .out_end = out_end,
                              .panel = scratch,
                              .sums = sums};
    for (int r = 0; r < n_rows; r++)
        for (int o = out_begin; o < out_end; o++) y[r * y_stride + o] = bias ? bias[o] : 0;
    begin_product(n_rows <= FEW_ROWS ? at_most(w->n_out, TILE) : TILE);
    if (n_rows <= FEW_ROWS)
        few_rows(&p);
    else
        many_rows(&p);
    tiles_end();
}

#define LOWER_PREPARE avx512vnni_prepare
#define LOWER_MATMUL_PREPARED avx512vnni_matmul_prepared
#include "body/pairs_body.h"

void AMX_NAME(kernels_fill_amx)(struct kernels *k)
{
    k->kv_put = avx512bf16_kv_put;
    k->kv_put_run = avx512bf16_kv_put_run;
    k->attend = AMX_NAME(amx_attend);
    k->kv_fastest = KV_BF16;
    fill_pairs(k);
}
