/* SPDX-License-Identifier: MIT
 * Products of bf16 pairs as entries of a level's table; every other type goes to the level below.
 * Included at the end of a level's bf16 file, which defines
 * - xval (bf16 as uint16_t) and matmul, over rows of it;
 * - round_row(row, x, n): n activations as bf16, the rest of the vector zeros or not there;
 * - LOWER_PREPARE, LOWER_MATMUL_PREPARED: the entries of the level below. */
#ifndef KERNELS_PAIRS_BODY_H
#define KERNELS_PAIRS_BODY_H

#ifndef LEVEL_VECTORS
#error "pairs_body.h needs the vectors of a level: include its header first"
#endif
#if !defined LOWER_PREPARE || !defined LOWER_MATMUL_PREPARED
#error "pairs_body.h needs LOWER_PREPARE and LOWER_MATMUL_PREPARED"
#endif

#include "levels.h"

static int64_t row_stride(int n_in)
{
    return (int64_t)(prepared_bytes(WEIGHT_BF16_PAIRS, n_in) / sizeof(xval));
}

static void round_row(xval *row, const float *x, int n);

static void prepare(void *rows, const float *x, int64_t x_stride, int n_rows, enum weight_type type,
                    int n_in)
{
    if (type != WEIGHT_BF16_PAIRS) {
        LOWER_PREPARE(rows, x, x_stride, n_rows, type, n_in);
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
        LOWER_MATMUL_PREPARED(y, y_stride, rows, n_rows, w, bias, out_begin, out_end, scratch);
}

static inline void fill_pairs(struct kernels *k)
{
    k->prepare = prepare;
    k->matmul_prepared = matmul_prepared;
}

#endif
