/* SPDX-License-Identifier: MIT
 * Layout of packed weights (q8, q4) and of activations prepared for them.
 *
 * A strip holds PACK_OUTS = 16 outputs in blocks of PACK_IN = 32 inputs:
 *   data    [n_blocks][PACK_DATA bytes]
 *   scales  [n_blocks][16] f16, times 2^SCALE_SHIFT
 * A block of q8 is [8 groups][16 outputs][4 inputs] of unsigned w + 128: one 512-bit load is four
 * inputs of all outputs, what `vpdpbusd` multiplies with four broadcast activations. A block of q4
 * is [4][16][4] bytes: group 2i in the low and group 2i + 1 in the high nibbles, unsigned w + 8.
 * Inputs behind n_in and outputs behind n_out are filled with the offset (weight 0) and scale 1.
 *
 * A prepared row:
 *   values    [n_blocks * 32] int8, zeros behind n_in
 *   start     [n_blocks] int32: the bits of base, less the block's sum times the weights' offset
 *   base      [n_blocks] float: 1.5 * 2^(23 + e - SCALE_SHIFT), where a value stands for value *
 *             2^e * unit
 *   unit      float: 1 … 31/16 in steps of a sixteenth, or NaN when the row has a value that is not
 *             finite
 *
 * The integer start + sum of unsigned weight * value is read as a float: a block's sum is below
 * 2^22 in size on its way too, so it changes no more than the fraction of base, whose last bit is
 * worth 2^(e - SCALE_SHIFT). That float less base is the block's sum times this power, exactly,
 * without a conversion or a multiplication. A product adds up from 0, block after block, that times
 * scale, by one fused multiply-add. At last y = sum * unit + bias, fused too. All levels give the
 * same bits.
 *
 * Powers of two alone would leave a block up to one of its eight bits unused; the unit that all
 * blocks of a row share is the one with which their squared steps are least together. */
#ifndef KERNELS_PACKED_H
#define KERNELS_PACKED_H

#include "levels.h"

enum {
    PACK_IN = 32,
    PACK_GROUPS = PACK_IN / 4,
    Q8_DATA = PACK_OUTS * PACK_IN,
    Q4_DATA = Q8_DATA / 2,
    Q8_OFFSET = 128,
    Q4_OFFSET = 8,
    SCALE_SHIFT = 6, /* scales are stored times 2^6, so that those of small weights are exact too */
    MAX_EXPONENT = 90 /* of activations' blocks, either way; a stored scale is 2^-24 … 2^16 */
};

static inline int pack_blocks(int n_in) { return n_in / PACK_IN + (n_in % PACK_IN != 0); }
static inline size_t pack_data_bytes(enum weight_type type)
{
    return type == WEIGHT_Q4 ? Q4_DATA : Q8_DATA;
}
static inline int pack_offset(enum weight_type type)
{
    return type == WEIGHT_Q4 ? Q4_OFFSET : Q8_OFFSET;
}

/* Where the parts of a strip or a prepared row of n_blocks lie. */
static inline const uint16_t *strip_scales(const void *strip, enum weight_type type, int n_blocks)
{
    return (const uint16_t *)(const void *)((const char *)strip +
                                            pack_data_bytes(type) * (size_t)n_blocks);
}
static inline const int32_t *row_start(const void *row, int n_blocks)
{
    return (const int32_t *)(const void *)((const char *)row + (size_t)n_blocks * PACK_IN);
}
static inline const float *row_base(const void *row, int n_blocks)
{
    return (const float *)(const void *)(row_start(row, n_blocks) + n_blocks);
}
static inline const float *row_unit(const void *row, int n_blocks)
{
    return row_base(row, n_blocks) + n_blocks;
}

/* -- Units of rows ---------------------------------------------------------------------------- */

enum { UNITS = 16 };

static inline float unit_size(int unit) { return (float)(UNITS + unit) / UNITS; }
static inline float unit_inverse(int unit) { return UNITS / (float)(UNITS + unit); }

/* Exponent of a positive float, biased by 127, upwards. What is not a number wraps below all. */
static inline int32_t exponent_up(float x)
{
    union {
        float f;
        uint32_t u;
        int32_t i;
    } bits = {.f = x};
    bits.u += 0x7fffff;
    return bits.i >> 23;
}

/* The smallest e with size <= 127 * 2^e * unit nearly, of the largest size in a block, kept within
 * MAX_EXPONENT. */
static inline int block_exponent(float largest, int unit)
{
    int e = exponent_up(largest * (unit_inverse(unit) / 127)) - 127;
    return e < -MAX_EXPONENT ? -MAX_EXPONENT : e > MAX_EXPONENT ? MAX_EXPONENT : e;
}

/* Of a block with exponent e: the bits of its base (above). */
static inline int32_t base_bits(int e)
{
    return (127 + 23 + e - SCALE_SHIFT) * (1 << 23) + (1 << 22);
}

/* A number for each unit, in as many vectors as the level needs for them: left to itself the
 * compiler takes blocks for lanes, and adds up one by one. */
typedef float unit_floats __attribute__((vector_size(UNITS * sizeof(float))));
typedef int32_t unit_ints __attribute__((vector_size(UNITS * sizeof(int32_t))));
typedef uint32_t unit_bits __attribute__((vector_size(UNITS * sizeof(uint32_t))));

/* The unit with the least sum of squared steps, of the largest sizes of a row's blocks. All sums
 * are of the same order in every lane: the same at every level. */
static inline int best_unit(const float *largest, int n_blocks)
{
    enum { LEAST = -60 }; /* exponents that far below the highest count as this */
    unit_floats inverse, square, cost = {0};
    float top = 0;
    for (int u = 0; u < UNITS; u++) {
        inverse[u] = unit_inverse(u) / 127;
        square[u] = unit_size(u) * unit_size(u);
    }
    for (int b = 0; b < n_blocks; b++) top = largest[b] > top ? largest[b] : top;
    int32_t highest = exponent_up(top * inverse[0]);
    for (int b = 0; b < n_blocks; b++) {
        unit_bits up = (unit_bits)(largest[b] * inverse) + 0x7fffff;
        unit_ints e = ((unit_ints)up >> 23) - highest;
        unit_ints below = e < LEAST;
        e = (e & ~below) | (LEAST & below);
        cost += (unit_floats)((unit_ints)square + e * (1 << 24));
    }
    int best = 0;
    for (int u = 1; u < UNITS; u++) best = cost[u] < cost[best] ? u : best;
    return best;
}

/* -- bf16 products without the instruction: rounded rows, multiplied in f32 ------------------- */

static inline void prepare_rounded(float *rows, const float *x, int64_t x_stride, int n_rows,
                                   int n_in)
{
    size_t stride = prepared_bytes(WEIGHT_BF16_PAIRS, n_in) / sizeof(float);
    for (int r = 0; r < n_rows; r++, rows += stride, x += x_stride)
        for (int i = 0; i < n_in; i++) {
            uint32_t bits = (uint32_t)bf16_bits(x[i]) << 16;
            __builtin_memcpy(rows + i, &bits, sizeof bits);
        }
}

typedef void (*matmul_fn)(float *y, int64_t y_stride, const float *x, int64_t x_stride, int n_rows,
                          const struct mat *w, const float *bias, int out_begin, int out_end,
                          void *scratch);

static inline void multiply_rounded(matmul_fn matmul, float *y, int64_t y_stride, const void *rows,
                                    int n_rows, const struct mat *w, const float *bias,
                                    int out_begin, int out_end, void *scratch)
{
    struct mat stored = {w->data, WEIGHT_BF16, w->n_out, w->n_in};
    int64_t stride = (int64_t)(prepared_bytes(w->type, w->n_in) / sizeof(float));
    matmul(y, y_stride, rows, stride, n_rows, &stored, bias, out_begin, out_end, scratch);
}

/* `prepare` of the table, over one level's way to prepare a packed row. */
static inline void
prepare_rows(void *rows, const float *x, int64_t x_stride, int n_rows, enum weight_type type,
             int n_in, void (*prepare_row)(char *row, const float *x, int n_in, int offset))
{
    char *row = rows;
    if (type == WEIGHT_BF16_PAIRS)
        prepare_rounded(rows, x, x_stride, n_rows, n_in);
    else
        for (int r = 0; r < n_rows; r++, row += prepared_bytes(type, n_in), x += x_stride)
            prepare_row(row, x, n_in, pack_offset(type));
}

#endif
