/* SPDX-License-Identifier: MIT
 * An instruction multiplies 2 outputs by 2 rows, 8 inputs each. A strip keeps 4 inputs of its
 * outputs together, so two groups of four are zipped. A tile is 3 pairs of rows x 16 outputs: 24
 * sums of the 32 registers. */
#define MATMUL_PREPARED i8mm_pairs
#define TILE_ROWS 6
#define OWN_TILE
#define SIGNED 0

#include "neon_packed.h"

enum { N_PAIRS = TILE_ROWS / 2, N_QUADS = TILE_OUTS / 2 };

/* 8 inputs of outputs 0 and 1, of 2 and 3 and so on, from two groups of 4 inputs of 8 outputs. */
static ALWAYS_INLINE void zip_groups(int32x4_t quad[4], ivec first, ivec second)
{
    quad[0] = vzip1q_s32(first.a, second.a);
    quad[1] = vzip2q_s32(first.a, second.a);
    quad[2] = vzip1q_s32(first.b, second.b);
    quad[3] = vzip2q_s32(first.b, second.b);
}

/* sum[pair][quad]: outputs 2 quad and 2 quad + 1 by rows 2 pair and 2 pair + 1; a row without
 * another is its own. */
static ALWAYS_INLINE void add_groups(int rows, int32x4_t sum[][N_QUADS], int first_quad,
                                     const int32x4_t quad[4], const int8_t *row, int64_t row_bytes)
{
#pragma GCC unroll 4
    for (int r = 0; r < rows; r += 2) {
        int second = r + 1 < rows ? r + 1 : r;
        int8x16_t x = vcombine_s8(vld1_s8(row + r * row_bytes), vld1_s8(row + second * row_bytes));
#pragma GCC unroll 4
        for (int i = 0; i < 4; i++)
            sum[r / 2][first_quad + i] = vusmmlaq_s32(sum[r / 2][first_quad + i], u8(quad[i]), x);
    }
}

/* The sums of one row, of 8 outputs. */
static ALWAYS_INLINE ivec row_sums(const int32x4_t quad[4], int second)
{
    return second ? i_of(vuzp2q_s32(quad[0], quad[1]), vuzp2q_s32(quad[2], quad[3]))
                  : i_of(vuzp1q_s32(quad[0], quad[1]), vuzp1q_s32(quad[2], quad[3]));
}

static ALWAYS_INLINE void run_tile(int rows, bool nibbles, enum coming what, const struct tile *t)
{
    enum { STEP = 64 };
    (void)what;
    const struct column c0 = t->column[0], c1 = t->column[1];
    const uint8_t *weights[2] = {c0.data, c1.data};
    const int64_t row_bytes = t->row_bytes;
    vec y[TILE_ROWS][2];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) y[r][0] = y[r][1] = v_set(0);
    for (int b = 0; b < t->n_blocks; b++) {
        const int8_t *row = (const int8_t *)t->row + b * PACK_IN;
        int32x4_t sum[N_PAIRS][N_QUADS];
#pragma GCC unroll 4
        for (int r = 0; r < rows; r += 2) {
            int second = r + 1 < rows ? r + 1 : r;
            int32x4_t start = vzip1q_s32(spread_integer(t->start + b, row_bytes, r).a,
                                         spread_integer(t->start + b, row_bytes, second).a);
#pragma GCC unroll 8
            for (int i = 0; i < N_QUADS; i++) sum[r / 2][i] = start;
        }
#pragma GCC unroll 4
        for (int pair = 0; pair < PACK_GROUPS / 2; pair++)
#pragma GCC unroll 2
            for (int c = 0; c < 2; c++) {
                int32x4_t quad[4];
                const uint8_t *w = weights[c] + (nibbles ? pair * STEP : pair * 2 * STEP);
                ivec first = i_load(w), second = nibbles ? i_high(first) : i_load(w + STEP);
                zip_groups(quad, nibbles ? i_low(first) : first, second);
                add_groups(rows, sum, c * 4, quad, row + pair * 8, row_bytes);
            }
        const vec scale0 = v_from_half(c0.scales + b * PACK_OUTS);
        const vec scale1 = v_from_half(c1.scales + b * PACK_OUTS);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const ivec less = spread_integer(t->start + t->base + b, row_bytes, r);
            y[r][0] = v_fma(value_of(row_sums(sum[r / 2], r % 2), less), scale0, y[r][0]);
            y[r][1] = v_fma(value_of(row_sums(sum[r / 2] + 4, r % 2), less), scale1, y[r][1]);
        }
        weights[0] += nibbles ? Q4_DATA : Q8_DATA;
        weights[1] += nibbles ? Q4_DATA : Q8_DATA;
    }
    end_tile(rows, y, t);
}

/* A row alone would be multiplied twice; packed products have the same bits at every level. */
void i8mm_matmul_prepared(float *y, int64_t y_stride, const void *rows, int n_rows,
                          const struct mat *w, const float *bias, int out_begin, int out_end,
                          void *scratch)
{
    if (n_rows == 1)
        dotprod_matmul_prepared(y, y_stride, rows, 1, w, bias, out_begin, out_end, scratch);
    else
        i8mm_pairs(y, y_stride, rows, n_rows, w, bias, out_begin, out_end, scratch);
}

void kernels_fill_i8mm(struct kernels *k) { k->matmul_prepared = i8mm_matmul_prepared; }
