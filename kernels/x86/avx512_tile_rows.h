/* SPDX-License-Identifier: MIT
 * A tile function for each number of rows up to 6, out of a matmul file's tile(rows, type, t);
 * included behind it. */
#ifndef KERNELS_X86_AVX512_TILE_ROWS_H
#define KERNELS_X86_AVX512_TILE_ROWS_H

static ALWAYS_INLINE void tile_rows(int rows, enum weight_type type, const struct tile *t)
{
    switch (rows) {
    case 1:
        tile(1, type, t);
        break;
    case 2:
        tile(2, type, t);
        break;
    case 3:
        tile(3, type, t);
        break;
    case 4:
        tile(4, type, t);
        break;
    case 5:
        tile(5, type, t);
        break;
    default:
        tile(6, type, t);
        break;
    }
}

#endif
