/* SPDX-License-Identifier: MIT
 * Products of bf16 weights, row-major as they are stored, with activations rounded to bf16. */
#include "neonbf16.h"
#include "packed.h"
#include "ref/ref.h"

typedef uint16_t xval, wval; /* bf16 */
enum { TILE_ROWS = 3, STEP = 2 * W, CUT_IN = 2 * PANEL_IN, CUT_STRIDE = 2 * PANEL_STRIDE };

static ALWAYS_INLINE vec load_x(const xval *x)
{
    return load_weights((const char *)x, WEIGHT_BF16_PAIRS);
}
static ALWAYS_INLINE vec load_some_x(const xval *x, int n)
{
    return load_some_weights((const char *)x, WEIGHT_BF16_PAIRS, n);
}
static ALWAYS_INLINE vec add_products(vec x, vec w, vec acc) { return v_dot(x, w, acc); }

#include "neon_fold.h"

static void tile_panel(int rows, const struct tile *t) { tile_rows(rows, WEIGHT_BF16_PAIRS, t); }

static void tile_stored(int rows, enum weight_type type, const struct tile *t)
{
    (void)type;
    tile_panel(rows, t);
}

static void widen_row(wval *y, const char *w, enum weight_type type, int n)
{
    (void)type;
    memcpy(y, w, sizeof *y * (size_t)n);
}

/* -- The entries ------------------------------------------------------------------------------ */

static int64_t row_stride(int n_in)
{
    return (int64_t)(prepared_bytes(WEIGHT_BF16_PAIRS, n_in) / sizeof(xval));
}

static void round_row(xval *row, const float *x, int n)
{
    int i = 0;
    for (; i + STEP <= n; i += STEP) v_store((float *)(void *)(row + i), v_pairs(x + i));
    for (; i < n; i++) row[i] = bf16_bits(x[i]);
}

static void prepare(void *rows, const float *x, int64_t x_stride, int n_rows, enum weight_type type,
                    int n_in)
{
    if (type != WEIGHT_BF16_PAIRS) {
        ref_prepare(rows, x, x_stride, n_rows, type, n_in);
        return;
    }
    xval *row = rows;
    for (int r = 0; r < n_rows; r++, row += row_stride(n_in), x += x_stride)
        round_row(row, x, n_in);
}

static void matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                            const struct mat *w, const float *bias, int out_begin, int out_end,
                            void *scratch)
{
    if (w->type == WEIGHT_BF16_PAIRS)
        matmul(y, y_stride, rows, row_stride(w->n_in), n_rows, w, bias, out_begin, out_end,
               scratch);
    else
        i8mm_matmul_prepared(y, y_stride, rows, n_rows, w, bias, out_begin, out_end, scratch);
}

void kernels_fill_neonbf16(struct kernels *k)
{
    k->attend = neonbf16_attend;
    k->kv_fastest = KV_BF16;
    k->prepare = prepare;
    k->matmul_prepared = matmul_prepared;
}
