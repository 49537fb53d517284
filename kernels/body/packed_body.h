/* SPDX-License-Identifier: MIT
 * Products with packed weights (kernels/packed.h) in terms of a level's vectors; included once by
 * each level's file, which defines TILE_ROWS and these over vectors of W 32-bit integers:
 * - ivec, i_load (W groups of 4 bytes), i_spread (one integer to all lanes), i_dot (adds the
 *   products of 4 unsigned and 4 signed bytes to each lane), i_low (nibbles), i_high;
 * - v_from_half (W halves), v_bits (the same bits);
 * - SIGNED: i_dot takes weights that are signed too. Then i_q8 takes their offset from q8's, so
 *   that a block's sum begins with base alone. Else it changes nothing.
 * - OWN_TILE, where the level defines run_tile itself.
 *
 * A tile is TILE_ROWS rows of x and 2 W outputs. All rows pass over the strips of a tile before the
 * next one's: they are read as they are stored, and stay in a near cache between passes. */
#ifndef KERNELS_PACKED_BODY_H
#define KERNELS_PACKED_BODY_H

#ifndef LEVEL_VECTORS
#error "packed_body.h needs the vectors of a level: include its header first"
#endif
#if !defined TILE_ROWS || !defined SIGNED
#error "packed_body.h needs TILE_ROWS and SIGNED"
#endif

#include <stdbool.h>
#include <string.h>

#include "packed.h"

enum {
    TILE_OUTS = 2 * W,
    VECTORS_PER_STRIP = PACK_OUTS / W,
    STRIPS_PER_TILE = TILE_OUTS < PACK_OUTS ? 1 : TILE_OUTS / PACK_OUTS,
    MOST_ROWS = 512, /* that pass over a tile: more would not stay in the caches themselves */
    /* what a lone pass asks for in advance, in bytes of each column: docs/speed.md */
    DATA_AHEAD = 2048,
    SCALES_AHEAD = 768
};

/* The weights that a pass asks for. */
enum coming {
    NOTHING,    // they are there
    SOON,       // its own, and the beginning of the next tile's
    FIRST_HALF, // of the next tile's, while another pass has
    SECOND_HALF // the other
};

/* One vector of outputs. */
struct column {
    const uint8_t *data;    // first block; W outputs of a strip's 16
    const uint16_t *scales; // the same
    vmask mask;             // outputs that are stored
};

struct tile {
    float *y; // of the first row and the first column
    int64_t y_stride;
    const char *row;      // values of the first row
    const int32_t *start; // of the first row
    int64_t row_bytes;
    int64_t base;      // from start, in integers
    const char *unit;  // of the first row
    const float *bias; // of the first column, or NULL
    struct column column[2];
    int n_blocks;
    size_t next_tile; // bytes from the strips to those of the tile that comes next
};

static ALWAYS_INLINE ivec spread_values(const char *p)
{
    int32_t four;
    memcpy(&four, p, sizeof four);
    return i_spread(four);
}

static ALWAYS_INLINE ivec spread_integer(const int32_t *start, int64_t row_bytes, int r)
{
    return i_spread(*(const int32_t *)(const void *)((const char *)start + r * row_bytes));
}

/* A block's sum times the power of two that its row stands for (kernels/packed.h). */
static ALWAYS_INLINE vec value_of(ivec sum, ivec base) { return v_sub(v_bits(sum), v_bits(base)); }

static ALWAYS_INLINE void run_tile(int rows, bool nibbles, enum coming what, const struct tile *t);

/* y = sum * unit + bias; rows is a constant. */
static ALWAYS_INLINE void end_tile(int rows, vec y[][2], const struct tile *t)
{
    const vmask m0 = t->column[0].mask, m1 = t->column[1].mask;
    const vec bias0 = t->bias ? v_load_some(t->bias, m0) : v_set(0);
    const vec bias1 = t->bias ? v_load_some(t->bias + W, m1) : v_set(0);
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        vec unit = v_set(*(const float *)(const void *)(t->unit + r * t->row_bytes));
        v_store_some(t->y + r * t->y_stride, m0, v_fma(y[r][0], unit, bias0));
        v_store_some(t->y + r * t->y_stride + W, m1, v_fma(y[r][1], unit, bias1));
    }
}

#ifndef OWN_TILE

static ALWAYS_INLINE ivec i_dot(ivec sum, ivec w, ivec x);

/* One group of four inputs times all rows. */
static ALWAYS_INLINE void add_group(int rows, ivec sum[][2], ivec w0, ivec w1, const char *row,
                                    int64_t row_bytes)
{
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        ivec x = spread_values(row + r * row_bytes);
        sum[r][0] = i_dot(sum[r][0], w0, x);
        sum[r][1] = i_dot(sum[r][1], w1, x);
    }
}

/* What lies `ahead` bytes behind byte `at` of the first n_bytes of a strip, and behind these of the
 * next tile's: the processor's own prefetching stops where a strip's data and scales end. */
static ALWAYS_INLINE size_t at_ahead(size_t at, size_t ahead, size_t n_bytes, size_t next_tile)
{
    size_t to = at + ahead;
    return to < n_bytes ? to : to - n_bytes + next_tile;
}

/* Asks for n bytes of both columns. */
static ALWAYS_INLINE void ask_for(const uint8_t *c0, const uint8_t *c1, size_t at, size_t n)
{
#pragma GCC unroll 8
    for (size_t i = 0; i < n; i += 64) {
        __builtin_prefetch(c0 + at + i);
        __builtin_prefetch(c1 + at + i);
    }
}

/* At block b: data and scales that will be wanted. */
static ALWAYS_INLINE void ask_ahead(enum coming what, bool nibbles, const struct tile *t, size_t b)
{
    enum { SCALES = PACK_OUTS * sizeof(uint16_t) };
    const size_t block = nibbles ? Q4_DATA : Q8_DATA, n_blocks = (size_t)t->n_blocks;
    const struct column c0 = t->column[0], c1 = t->column[1];
    size_t data = t->next_tile + b * block, scales = t->next_tile + b * SCALES;
    if (what == SOON) {
        data = at_ahead(b * block, DATA_AHEAD, n_blocks * block, t->next_tile);
        scales = at_ahead(b * SCALES, SCALES_AHEAD, n_blocks * SCALES, t->next_tile);
    }
    if (what == SECOND_HALF) data += block / 2;
    ask_for(c0.data, c1.data, data, what == SOON ? block : block / 2);
    if (what != SECOND_HALF)
        ask_for((const uint8_t *)c0.scales, (const uint8_t *)c1.scales, scales, 1);
}

/* rows, nibbles and `what` are constants where this is inlined, so sums live in registers. */
static ALWAYS_INLINE void run_tile(int rows, bool nibbles, enum coming what, const struct tile *t)
{
    enum { STEP = 64 };
    const size_t block = nibbles ? Q4_DATA : Q8_DATA;
    const struct column c0 = t->column[0], c1 = t->column[1];
    const uint8_t *w0 = c0.data, *w1 = c1.data;
    const char *row = t->row;
    const int32_t *start = t->start;
    const int64_t row_bytes = t->row_bytes, base = t->base;
    const size_t n_blocks = (size_t)t->n_blocks;
    vec y[TILE_ROWS][2];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) y[r][0] = y[r][1] = v_set(0);
    for (size_t b = 0; b < n_blocks; b++) {
        if (what != NOTHING) ask_ahead(what, nibbles, t, b);
        ivec sum[TILE_ROWS][2];
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            sum[r][0] = sum[r][1] =
                spread_integer(start + b + (SIGNED && !nibbles ? base : 0), row_bytes, r);
#pragma GCC unroll 4
        for (int pair = 0; pair < PACK_GROUPS / 2; pair++) {
            const int at = nibbles ? pair * STEP : pair * 2 * STEP;
            ivec a0 = i_load(w0 + at), a1 = i_load(w1 + at);
            ivec b0 = nibbles ? i_high(a0) : i_load(w0 + at + STEP);
            ivec b1 = nibbles ? i_high(a1) : i_load(w1 + at + STEP);
            if (nibbles)
                a0 = i_low(a0), a1 = i_low(a1);
            else
                a0 = i_q8(a0), a1 = i_q8(a1), b0 = i_q8(b0), b1 = i_q8(b1);
            add_group(rows, sum, a0, a1, row + pair * 8, row_bytes);
            add_group(rows, sum, b0, b1, row + pair * 8 + 4, row_bytes);
        }
        const vec scale0 = v_from_half(c0.scales + b * PACK_OUTS);
        const vec scale1 = v_from_half(c1.scales + b * PACK_OUTS);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            const ivec less = spread_integer(start + base + b, row_bytes, r);
            y[r][0] = v_fma(value_of(sum[r][0], less), scale0, y[r][0]);
            y[r][1] = v_fma(value_of(sum[r][1], less), scale1, y[r][1]);
        }
        w0 += block;
        w1 += block;
        row += PACK_IN;
    }
    end_tile(rows, y, t);
}

#endif

static ALWAYS_INLINE void run_rows(int rows, bool nibbles, enum coming what, const struct tile *t)
{
    switch (rows) {
    case 1:
        run_tile(1, nibbles, what, t);
        break;
    case 2:
        run_tile(2, nibbles, what, t);
        break;
#if TILE_ROWS > 2
    case 3:
        run_tile(3, nibbles, what, t);
        break;
#endif
#if TILE_ROWS > 3
    case 4:
        run_tile(4, nibbles, what, t);
        break;
    case 5:
        run_tile(5, nibbles, what, t);
        break;
    default:
        run_tile(6, nibbles, what, t);
        break;
#endif
    }
}

/* One function for each type and what comes, so that its sums have the registers to themselves. */
#define PASS(name, nibbles, what)                                                                  \
    static __attribute__((noinline)) void name(int rows, const struct tile *t)                     \
    {                                                                                              \
        run_rows(rows, nibbles, what, t);                                                          \
    }
PASS(q8_nothing, false, NOTHING)
PASS(q8_soon, false, SOON)
PASS(q8_first_half, false, FIRST_HALF)
PASS(q8_second_half, false, SECOND_HALF)
PASS(q4_nothing, true, NOTHING)
PASS(q4_soon, true, SOON)
PASS(q4_first_half, true, FIRST_HALF)
PASS(q4_second_half, true, SECOND_HALF)

static void run_pass(enum weight_type type, enum coming what, int rows, const struct tile *t)
{
    static void (*const q8[])(int rows, const struct tile *t) = {[NOTHING] = q8_nothing,
                                                                 [SOON] = q8_soon,
                                                                 [FIRST_HALF] = q8_first_half,
                                                                 [SECOND_HALF] = q8_second_half};
    static void (*const q4[])(int rows, const struct tile *t) = {[NOTHING] = q4_nothing,
                                                                 [SOON] = q4_soon,
                                                                 [FIRST_HALF] = q4_first_half,
                                                                 [SECOND_HALF] = q4_second_half};
    (type == WEIGHT_Q4 ? q4 : q8)[what](rows, t);
}

/* -- Which weights ---------------------------------------------------------------------------- */

struct product {
    const struct mat *w;
    const float *bias;        // or NULL
    int n_blocks, begin, end; // outputs
    size_t strip_bytes;
};

static vmask between(int begin, int end)
{
    return v_without(v_first(end < 0 ? 0 : end), v_first(begin < 0 ? 0 : begin));
}

/* W outputs from `out` on, a multiple of W. One behind the end repeats the last one and stores
 * nothing. */
static struct column column_at(const struct product *p, int out)
{
    int inside = out < p->end ? out : (p->end - 1) / W * W;
    const uint8_t *strip =
        (const uint8_t *)p->w->data + p->strip_bytes * (size_t)(inside / PACK_OUTS);
    size_t part = (size_t)(inside % PACK_OUTS);
    return (struct column){
        .data = strip + part * 4,
        .scales = strip_scales(strip, p->w->type, p->n_blocks) + part,
        .mask = between(p->begin - out, p->end - out),
    };
}

/* -- Passes ----------------------------------------------------------------------------------- */

/* All rows over the tile's weights, about equally many at a time. A lone pass reads weights that
 * come from memory meanwhile; two or more have the time to bring the next tile's. */
static void pass_rows(struct tile t, enum weight_type type, int n_rows)
{
    const int n_passes = (n_rows + TILE_ROWS - 1) / TILE_ROWS;
    for (int pass = 0; pass < n_passes; pass++) {
        const int rows = n_rows / (n_passes - pass);
        const enum coming what = n_passes == 1 ? SOON
                                 : pass == 0   ? FIRST_HALF
                                 : pass == 1   ? SECOND_HALF
                                               : NOTHING;
        run_pass(type, what, rows, &t);
        n_rows -= rows;
        t.y += rows * t.y_stride;
        t.unit += rows * t.row_bytes;
        t.row += rows * t.row_bytes;
        t.start += rows * t.row_bytes / (int64_t)sizeof *t.start;
    }
}

static void multiply_rows(const struct product *p, float *y, int64_t y_stride, const char *rows,
                          int n_rows)
{
    struct tile t = {.y_stride = y_stride,
                     .row = rows,
                     .start = row_start(rows, p->n_blocks),
                     .row_bytes = (int64_t)prepared_bytes(p->w->type, p->w->n_in),
                     .base = p->n_blocks,
                     .unit = (const char *)row_unit(rows, p->n_blocks),
                     .n_blocks = p->n_blocks,
                     .next_tile = STRIPS_PER_TILE * p->strip_bytes};
    for (int out = p->begin / TILE_OUTS * TILE_OUTS; out < p->end; out += TILE_OUTS) {
        t.y = y + out;
        t.bias = p->bias ? p->bias + out : NULL;
        t.column[0] = column_at(p, out);
        t.column[1] = column_at(p, out + W);
        pass_rows(t, p->w->type, n_rows);
    }
}

static void multiply_packed(float *y, int64_t y_stride, const char *rows, int n_rows,
                            const struct mat *w, const float *bias, int out_begin, int out_end)
{
    const int64_t row_bytes = (int64_t)prepared_bytes(w->type, w->n_in);
    struct product p = {.w = w,
                        .bias = bias,
                        .n_blocks = pack_blocks(w->n_in),
                        .begin = out_begin,
                        .end = out_end,
                        .strip_bytes = pack_strip_bytes(w->type, w->n_in)};
    for (int row = 0; row < n_rows && out_begin < out_end; row += MOST_ROWS)
        multiply_rows(&p, y + row * y_stride, y_stride, rows + row * row_bytes,
                      n_rows - row < MOST_ROWS ? n_rows - row : MOST_ROWS);
}

#endif
