/* SPDX-License-Identifier: MIT
 * The tile unit in plain C, for processors without one: what amx_tiles.h says, and a stop where the
 * processor would raise a fault. */
#ifndef KERNELS_X86_AMX_EMULATED_H
#define KERNELS_X86_AMX_EMULATED_H

#include <float.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>

/* The arithmetic touches only memory of this file; checking each of its steps takes minutes. */
#define TILE_UNCHECKED __attribute__((no_sanitize("address", "undefined", "thread")))

static _Thread_local struct {
    struct tile_config config; // palette 0: none
    _Alignas(64) char data[N_TILES][TILE_ROWS_MOST][TILE_ROW_BYTES];
} tile_unit;

/* As the processor, which raises an exception. */
static inline void tile_fault_if(bool wrong)
{
    if (wrong) __builtin_trap();
}

static inline void tiles_begin(const struct tile_config *config)
{
    tile_fault_if(config->palette != 1 || config->start_row != 0);
    for (int t = 0; t < 16; t++) {
        int rows = config->rows[t], bytes = config->row_bytes[t];
        tile_fault_if(rows > (t < N_TILES ? TILE_ROWS_MOST : 0));
        tile_fault_if(bytes > (t < N_TILES ? TILE_ROW_BYTES : 0));
        tile_fault_if((rows == 0) != (bytes == 0));
    }
    memset(&tile_unit, 0, sizeof tile_unit);
    tile_unit.config = *config;
}

static inline void tiles_end(void) { memset(&tile_unit, 0, sizeof tile_unit); }

static inline void tile_check(int tile)
{
    tile_fault_if(tile_unit.config.palette == 0 || tile_unit.config.rows[tile] == 0);
}

static inline void tile_zero(int tile)
{
    tile_check(tile);
    memset(tile_unit.data[tile], 0, sizeof tile_unit.data[tile]);
}

static inline void tile_load(int tile, const void *from, int64_t row_stride)
{
    tile_zero(tile);
    for (int r = 0; r < tile_unit.config.rows[tile]; r++)
        memcpy(tile_unit.data[tile][r], (const char *)from + r * row_stride,
               tile_unit.config.row_bytes[tile]);
}

static inline void tile_store(int tile, void *to, int64_t row_stride)
{
    tile_check(tile);
    for (int r = 0; r < tile_unit.config.rows[tile]; r++)
        memcpy((char *)to + r * row_stride, tile_unit.data[tile][r],
               tile_unit.config.row_bytes[tile]);
}

TILE_UNCHECKED static inline float tile_flush(float x)
{
    return fabsf(x) < FLT_MIN ? copysignf(0, x) : x;
}

/* The first and the second number of n pairs of bf16. */
TILE_UNCHECKED static inline void tile_widen(float first[16], float second[16], const char *row,
                                             int n)
{
    for (int i = 0; i < n; i++) {
        uint32_t pair, upper;
        float x;
        memcpy(&pair, row + 4 * i, sizeof pair);
        upper = pair << 16;
        memcpy(&x, &upper, sizeof x);
        first[i] = tile_flush(x);
        upper = pair & 0xffff0000;
        memcpy(&x, &upper, sizeof x);
        second[i] = tile_flush(x);
    }
}

TILE_UNCHECKED static inline void tile_dot_row(float sums[16], const char *a, int n_pairs,
                                               const float b[16][2][16], int n_columns)
{
    float even[16] = {0}, odd[16] = {0}, first[16], second[16];
    tile_widen(first, second, a, n_pairs);
    for (int k = 0; k < n_pairs; k++)
        for (int n = 0; n < n_columns; n++) {
            even[n] = tile_flush(fmaf(first[k], b[k][0][n], even[n]));
            odd[n] = tile_flush(fmaf(second[k], b[k][1][n], odd[n]));
        }
    for (int n = 0; n < n_columns; n++)
        sums[n] = tile_flush(tile_flush(sums[n]) + tile_flush(even[n] + odd[n]));
}

TILE_UNCHECKED static inline void tile_dot(int c, int a, int b)
{
    tile_check(a), tile_check(b), tile_check(c);
    const int rows = tile_unit.config.rows[c], pairs = tile_unit.config.row_bytes[a] / 4;
    const int columns = tile_unit.config.row_bytes[c] / 4;
    float wide[16][2][16], sums[16];
    tile_fault_if(tile_unit.config.rows[a] != rows || tile_unit.config.rows[b] != pairs ||
                  tile_unit.config.row_bytes[b] != 4 * columns);
    for (int k = 0; k < pairs; k++)
        tile_widen(wide[k][0], wide[k][1], tile_unit.data[b][k], columns);
    for (int m = 0; m < rows; m++) {
        memcpy(sums, tile_unit.data[c][m], sizeof sums);
        tile_dot_row(sums, tile_unit.data[a][m], pairs, wide, columns);
        memcpy(tile_unit.data[c][m], sums, sizeof sums);
    }
}

#endif
