/* SPDX-License-Identifier: MIT
 * The tile unit: eight tiles of at most 16 rows of 64 bytes, and products of whole tiles. The same
 * names are the processor's instructions with AMX_TILES, or plain C with AMX_EMULATE
 * (amx_emulated.h); with neither, only the shapes are here.
 *
 * A thread asks for shapes with tiles_begin and gives them back with tiles_end, so that no state is
 * left for a signal handler or the host program. The number of a tile is a literal.
 *
 * tile_dot: c[m][n] += sum over k of a[m][2k] * b[k][2n] + a[m][2k+1] * b[k][2n+1], bf16 to f32. The
 * even and the odd products are each one chain of multiply-adds from zero, with k ascending; their
 * sum is added to c. Numbers below the normal ones count as zero. So a result depends on its own row
 * and column and on where k is cut into products, and on nothing beside it. (Intel's Software
 * Developer's Manual, TDPBF16PS.) */
#ifndef KERNELS_X86_AMX_TILES_H
#define KERNELS_X86_AMX_TILES_H

#include <stdint.h>

enum { N_TILES = 8, TILE_ROWS_MOST = 16, TILE_ROW_BYTES = 64 };

/* As LDTILECFG reads it. */
struct tile_config {
    uint8_t palette, start_row; // 1, 0
    uint8_t reserved[14];
    uint16_t row_bytes[16];
    uint8_t rows[16];
};
_Static_assert(sizeof(struct tile_config) == 64, "as LDTILECFG reads it");

#if defined(AMX_EMULATE)

#include "amx_emulated.h"

#elif defined(AMX_TILES)

#include <immintrin.h>

/* Compilers do not know that these read memory, so that a store could be moved behind them. */
#define TILES_READ_MEMORY __asm__ volatile("" ::: "memory")

static inline void tiles_begin(const struct tile_config *config)
{
    TILES_READ_MEMORY;
    _tile_loadconfig(config);
}
static inline void tiles_end(void) { _tile_release(); }
#define tile_zero(tile) _tile_zero(tile)
#define tile_load(tile, from, row_stride)                                                          \
    do {                                                                                           \
        TILES_READ_MEMORY;                                                                         \
        _tile_loadd(tile, from, row_stride);                                                       \
    } while (0)
#define tile_store(tile, to, row_stride)                                                           \
    do {                                                                                           \
        _tile_stored(tile, to, row_stride);                                                        \
        TILES_READ_MEMORY;                                                                         \
    } while (0)
#define tile_dot(c, a, b) _tile_dpbf16ps(c, a, b)

#endif

static inline void tile_shape(struct tile_config *config, int tile, int rows, int row_bytes)
{
    config->rows[tile] = (uint8_t)rows;
    config->row_bytes[tile] = (uint16_t)row_bytes;
}

#endif
