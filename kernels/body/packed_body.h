/* SPDX-License-Identifier: MIT
 * Products with packed weights (kernels/packed.h) in terms of a level's vectors; included once by
 * each level's file, which defines TILE_ROWS and these over vectors of W 32-bit integers:
 * - ivec, i_load (W groups of 4 bytes), i_spread (one integer to all lanes), i_dot (adds the
 *   products of 4 unsigned and 4 signed bytes to each lane), i_low (nibbles), i_high;
 * - v_from_half (W halves), v_bits (the same bits);
 * - SIGNED: i_dot takes weights that are signed too. Then i_q8 takes their offset from q8's, so
 *   that a block's sum begins with base alone, and i_as_q8 makes q8's unsigned weights of nibbles.
 *   Else both change nothing.
 * - OWN_TILE, where the level defines run_tile itself.
 *
 * A tile is TILE_ROWS rows of x and 2 W outputs. Few rows read the strips as they are stored. With
 * more, the inputs are cut so that the weights of a tile stay in the first-level cache while all
 * rows pass over them, q4 unpacked to q8's layout once. Sums are kept between cuts, so every output
 * is the same chain of additions. */
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
    CUT_BLOCKS = 32, /* blocks of one pass of many rows */
    /* what a pass of one or two rows asks for in advance, in bytes of each column: docs/speed.md */
    DATA_AHEAD = 2048,
    SCALES_AHEAD = 768
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
    const float *sums; // of the blocks before, of the same row and column; NULL: begins with 0
    int64_t sums_stride;
    const char *row;      // values of the first row, at the first block
    const int32_t *start; // of the first row, at the first block
    int64_t row_bytes;
    int64_t base;      // from start, in integers
    bool ends;         // with sum * unit + bias
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

static ALWAYS_INLINE void run_tile(int rows, bool nibbles, bool streaming, const struct tile *t);

/* The sums of a tile before its blocks, and what becomes of them; rows is a constant. */
static ALWAYS_INLINE void begin_tile(int rows, vec y[][2], const struct tile *t)
{
    const vmask m0 = t->column[0].mask, m1 = t->column[1].mask;
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        int64_t at = r * t->sums_stride;
        y[r][0] = t->sums ? v_load_some(t->sums + at, m0) : v_set(0);
        y[r][1] = t->sums ? v_load_some(t->sums + at + W, m1) : v_set(0);
    }
}

static ALWAYS_INLINE void end_tile(int rows, vec y[][2], const struct tile *t)
{
    const vmask m0 = t->column[0].mask, m1 = t->column[1].mask;
    if (t->ends) {
        vec bias0 = t->bias ? v_load_some(t->bias, m0) : v_set(0);
        vec bias1 = t->bias ? v_load_some(t->bias + W, m1) : v_set(0);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++) {
            vec unit = v_set(*(const float *)(const void *)(t->unit + r * t->row_bytes));
            y[r][0] = v_fma(y[r][0], unit, bias0);
            y[r][1] = v_fma(y[r][1], unit, bias1);
        }
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++) {
        v_store_some(t->y + r * t->y_stride, m0, y[r][0]);
        v_store_some(t->y + r * t->y_stride + W, m1, y[r][1]);
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

/* rows, nibbles and streaming are constants where this is inlined, so sums live in registers. */
static ALWAYS_INLINE void run_tile(int rows, bool nibbles, bool streaming, const struct tile *t)
{
    enum { STEP = 64, SCALES = PACK_OUTS * sizeof(uint16_t) };
    const size_t block = nibbles ? Q4_DATA : Q8_DATA;
    const struct column c0 = t->column[0], c1 = t->column[1];
    const uint8_t *w0 = c0.data, *w1 = c1.data;
    const char *row = t->row;
    const int32_t *start = t->start;
    const int64_t row_bytes = t->row_bytes, base = t->base;
    const size_t n_blocks = (size_t)t->n_blocks, next_tile = t->next_tile;
    vec y[TILE_ROWS][2];
    begin_tile(rows, y, t);
    for (size_t b = 0; b < n_blocks; b++) {
        const size_t coming = at_ahead(b * block, DATA_AHEAD, n_blocks * block, next_tile);
        if (streaming) {
            size_t at = at_ahead(b * SCALES, SCALES_AHEAD, n_blocks * SCALES, next_tile);
            __builtin_prefetch((const char *)c0.scales + at);
            __builtin_prefetch((const char *)c1.scales + at);
        }
        ivec sum[TILE_ROWS][2];
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            sum[r][0] = sum[r][1] =
                spread_integer(start + b + (SIGNED && !nibbles ? base : 0), row_bytes, r);
#pragma GCC unroll 4
        for (int pair = 0; pair < PACK_GROUPS / 2; pair++) {
            const int at = nibbles ? pair * STEP : pair * 2 * STEP;
            ivec a0 = i_load(w0 + at), a1 = i_load(w1 + at);
            if (streaming) {
                __builtin_prefetch(c0.data + coming + at);
                __builtin_prefetch(c1.data + coming + at);
                if (!nibbles) {
                    __builtin_prefetch(c0.data + coming + at + STEP);
                    __builtin_prefetch(c1.data + coming + at + STEP);
                }
            }
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

static ALWAYS_INLINE void run_rows(int rows, bool nibbles, const struct tile *t)
{
    switch (rows) {
    case 1:
        run_tile(1, nibbles, true, t);
        break;
    case 2:
        run_tile(2, nibbles, true, t);
        break;
#if TILE_ROWS > 2
    case 3:
        run_tile(3, nibbles, false, t);
        break;
#endif
#if TILE_ROWS > 3
    case 4:
        run_tile(4, nibbles, false, t);
        break;
    case 5:
        run_tile(5, nibbles, false, t);
        break;
    default:
        run_tile(6, nibbles, false, t);
        break;
#endif
    }
}

static __attribute__((noinline)) void tile_q8(int rows, const struct tile *t)
{
    run_rows(rows, false, t);
}
static __attribute__((noinline)) void tile_q4(int rows, const struct tile *t)
{
    run_rows(rows, true, t);
}

/* -- Which weights ---------------------------------------------------------------------------- */

struct product {
    const struct mat *w;
    const float *bias;        // or NULL
    int n_blocks, begin, end; // outputs
    size_t strip_bytes, data_bytes;
};

static vmask between(int begin, int end)
{
    return v_without(v_first(end < 0 ? 0 : end), v_first(begin < 0 ? 0 : begin));
}

/* W outputs from `out` on, a multiple of W, from block `block` on. One behind the end repeats the
 * last one and stores nothing. */
static struct column column_at(const struct product *p, int out, int block)
{
    int inside = out < p->end ? out : (p->end - 1) / W * W;
    const uint8_t *strip =
        (const uint8_t *)p->w->data + p->strip_bytes * (size_t)(inside / PACK_OUTS);
    size_t part = (size_t)(inside % PACK_OUTS);
    return (struct column){
        .data = strip + p->data_bytes * (size_t)block + part * 4,
        .scales = strip_scales(strip, p->w->type, p->n_blocks) + (size_t)block * PACK_OUTS + part,
        .mask = between(p->begin - out, p->end - out),
    };
}

static struct tile tile_at(const struct product *p, float *y, int64_t y_stride, const char *rows,
                           int block, int n_blocks)
{
    return (struct tile){.y = y,
                         .y_stride = y_stride,
                         .row = rows + (size_t)block * PACK_IN,
                         .start = row_start(rows, p->n_blocks) + block,
                         .row_bytes = (int64_t)prepared_bytes(p->w->type, p->w->n_in),
                         .base = p->n_blocks,
                         .ends = block + n_blocks == p->n_blocks,
                         .unit = (const char *)row_unit(rows, p->n_blocks),
                         .n_blocks = n_blocks,
                         .next_tile = STRIPS_PER_TILE * p->strip_bytes};
}

/* -- Few rows --------------------------------------------------------------------------------- */

static void few_rows(const struct product *p, float *y, int64_t y_stride, const char *rows,
                     int n_rows)
{
    struct tile t = tile_at(p, y, y_stride, rows, 0, p->n_blocks);
    for (int out = p->begin / TILE_OUTS * TILE_OUTS; out < p->end; out += TILE_OUTS) {
        t.y = y + out;
        t.bias = p->bias ? p->bias + out : NULL;
        t.column[0] = column_at(p, out, 0);
        t.column[1] = column_at(p, out + W, 0);
        if (p->w->type == WEIGHT_Q4)
            tile_q4(n_rows, &t);
        else
            tile_q8(n_rows, &t);
    }
}

/* -- Many rows -------------------------------------------------------------------------------- */

/* n_blocks of a q4 strip -> q8's layout. */
static void unpack_strip(uint8_t *to, const uint8_t *data, int n_blocks)
{
    for (int i = 0; i < n_blocks * Q4_DATA; i += 64, to += 128)
        for (int at = 0; at < 64; at += 4 * W) {
            ivec a = i_load(data + i + at);
            i_store(to + at, i_as_q8(i_low(a)));
            i_store(to + 64 + at, i_as_q8(i_high(a)));
        }
}

/* Unpacks what both columns of a tile need and points them there. */
static void unpack_columns(struct column column[2], uint8_t *panel, int n_blocks)
{
    for (int i = 0; i < 2; i++) {
        if (i % VECTORS_PER_STRIP == 0) unpack_strip(panel, column[i].data, n_blocks);
        column[i].data = panel + i % VECTORS_PER_STRIP * 4 * W;
        if (VECTORS_PER_STRIP == 1) panel += (size_t)n_blocks * Q8_DATA;
    }
}

static int at_most(int n, int limit) { return n < limit ? n : limit; }

/* Asks for lines [begin, begin + n) of n_lines. */
static void prefetch_lines(const uint8_t *data, int begin, int n, int n_lines)
{
    for (int i = begin; i < at_most(begin + n, n_lines); i++)
        __builtin_prefetch(data + i * 64, 0, 2);
}

/* The weights of a tile between two cuts. */
struct place {
    struct column column[2];
    int n_lines; // of each
};

/* What is multiplied behind the tile at `out` and `block`: the next tile, or the first one's next
 * cut, or what lies behind the last, which may be this thread's next work. */
static struct place next_place(const struct product *p, int first, int out, int block)
{
    struct product all = *p;
    all.end = p->w->n_out;
    out += TILE_OUTS;
    if (out >= p->end && block + CUT_BLOCKS < p->n_blocks)
        out = first, block += CUT_BLOCKS;
    else if (out >= p->end)
        block = 0;
    const int n = at_most(p->n_blocks - block, CUT_BLOCKS);
    return (struct place){.column = {column_at(&all, out, block), column_at(&all, out + W, block)},
                          .n_lines = (int)((p->data_bytes * (size_t)n + 63) / 64)};
}

/* All rows over the columns of one tile; meanwhile the weights that come next come nearer. */
static void pass_rows(struct tile t, int n_rows, const struct place *coming)
{
    const int n_tiles = (n_rows + TILE_ROWS - 1) / TILE_ROWS;
    const int lines = (coming->n_lines + n_tiles - 1) / n_tiles;
    for (int i = 0; i < n_tiles; i++) {
        int left = n_rows - i * TILE_ROWS, rows = at_most(left, TILE_ROWS);
        for (int column = 0; column < (VECTORS_PER_STRIP == 1 ? 2 : 1); column++)
            prefetch_lines(coming->column[column].data, i * lines, lines, coming->n_lines);
        tile_q8(rows, &t);
        t.y += TILE_ROWS * t.y_stride;
        if (t.sums) t.sums += TILE_ROWS * t.sums_stride;
        t.unit += TILE_ROWS * t.row_bytes;
        t.row += TILE_ROWS * t.row_bytes;
        t.start += TILE_ROWS * t.row_bytes / (int64_t)sizeof *t.start;
    }
}

/* What of the scratch is what: unpacked weights of a tile, and sums of at most SUM_ROWS x SUM_OUTS
 * outputs between cuts. They are not kept in y, whose rows may lie so that caches hold few of them.
 */
enum { SUM_ROWS = 512, SUM_OUTS = 96 };
struct many_scratch {
    uint8_t panel[TILE_OUTS * CUT_BLOCKS * PACK_IN];
    float sums[SUM_ROWS][SUM_OUTS];
};

/* Outputs [begin, end) of p, at most SUM_OUTS from the tile that `begin` lies in, of at most
 * SUM_ROWS rows. */
static void multiply_many(const struct product *p, float *y, int64_t y_stride, const char *rows,
                          int n_rows, struct many_scratch *s)
{
    int first = p->begin / TILE_OUTS * TILE_OUTS;
    for (int block = 0; block < p->n_blocks; block += CUT_BLOCKS) {
        int n = at_most(p->n_blocks - block, CUT_BLOCKS);
        struct tile t = tile_at(p, NULL, SUM_OUTS, rows, block, n);
        t.sums_stride = SUM_OUTS;
        if (t.ends) t.y_stride = y_stride;
        for (int out = first; out < p->end; out += TILE_OUTS) {
            const struct place coming = next_place(p, first, out, block);
            float *sums = s->sums[0] + (out - first);
            t.y = t.ends ? y + out : sums;
            t.sums = block ? sums : NULL;
            t.bias = p->bias ? p->bias + out : NULL;
            t.column[0] = column_at(p, out, block);
            t.column[1] = column_at(p, out + W, block);
            if (p->w->type == WEIGHT_Q4) unpack_columns(t.column, s->panel, n);
            pass_rows(t, n_rows, &coming);
        }
    }
}

static void many_rows(const struct product *whole, float *y, int64_t y_stride, const char *rows,
                      int n_rows, struct many_scratch *s)
{
    const int64_t row_bytes = (int64_t)prepared_bytes(whole->w->type, whole->w->n_in);
    struct product p = *whole;
    for (p.begin = whole->begin; p.begin < whole->end; p.begin = p.end) {
        p.end = at_most(whole->end, p.begin / TILE_OUTS * TILE_OUTS + SUM_OUTS);
        for (int row = 0; row < n_rows; row += SUM_ROWS)
            multiply_many(&p, y + row * y_stride, y_stride, rows + row * row_bytes,
                          at_most(n_rows - row, SUM_ROWS), s);
    }
}

static void multiply_packed(float *y, int64_t y_stride, const char *rows, int n_rows,
                            const struct mat *w, const float *bias, int out_begin, int out_end,
                            void *scratch)
{
    struct product p = {.w = w,
                        .bias = bias,
                        .n_blocks = pack_blocks(w->n_in),
                        .begin = out_begin,
                        .end = out_end,
                        .strip_bytes = pack_strip_bytes(w->type, w->n_in),
                        .data_bytes = pack_data_bytes(w->type)};
    if (out_begin >= out_end) return;
    if (n_rows <= TILE_ROWS)
        few_rows(&p, y, y_stride, rows, n_rows);
    else
        many_rows(&p, y, y_stride, rows, n_rows, scratch);
    _Static_assert(sizeof(struct many_scratch) <= sizeof(float) * PANEL_OUTS * PANEL_STRIDE,
                   "matmul_scratch_bytes");
}

#endif
