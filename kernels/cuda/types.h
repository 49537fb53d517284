/* SPDX-License-Identifier: MIT
 * Numbers and matrices as they lie in the GPU's memory, for the C and the CUDA files of the
 * module. */
#ifndef CUDA_TYPES_H
#define CUDA_TYPES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __CUDACC__
#define ON_BOTH static __host__ __device__ inline
#else
#define ON_BOTH static inline
#endif

struct bf16 {
    uint16_t bits; // the upper half of an f32
};

/* Rows of matrices and activations are padded with zeros to a multiple of this many elements, so
 * that every row begins at a multiple of 128 bytes and 16-byte loads need no tail. */
enum { ROW_PAD = 64 };
ON_BOTH int64_t pad_row(int64_t n) { return (n + ROW_PAD - 1) / ROW_PAD * ROW_PAD; }

/* Packed weights lie on the GPU as the CPU's pack lays them (kernels/packed.h has the definition):
 * strips of STRIP_OUTS outputs, of which a block of BLOCK_INS inputs is one run of bytes - a warp
 * reads 512 of them in one go - and then f16 scales [n_blocks][STRIP_OUTS], times 2^6. So packed
 * files are copied to the GPU as they are. */
enum { STRIP_OUTS = 16, BLOCK_INS = 32, SCALES_SHIFT = 6 };
enum packing { PACKED_NOT, PACKED_Q8, PACKED_Q4 };

/* A weight matrix on the GPU: [n_out][ld] bf16, columns n_in … ld-1 zero; or strips. */
struct dev_mat {
    const struct bf16 *data; // packed: NULL
    int n_out, n_in;
    int64_t ld; // of bf16 rows; packed: of the rows it is unpacked to
    enum packing packing;
    const char *strips;
};

ON_BOTH int blocks_of(int n_in) { return (n_in + BLOCK_INS - 1) / BLOCK_INS; }
ON_BOTH int strips_of(int n_out) { return (n_out + STRIP_OUTS - 1) / STRIP_OUTS; }
ON_BOTH int block_bytes(enum packing p)
{
    return STRIP_OUTS * BLOCK_INS / (p == PACKED_Q4 ? 2 : 1);
}
ON_BOTH int64_t strip_bytes(enum packing p, int n_in)
{
    return ((int64_t)blocks_of(n_in) * (block_bytes(p) + 2 * STRIP_OUTS) + 63) / 64 * 64;
}

/* Head rows of keys, values and queries are padded with zeros to one of the sizes the attention
 * kernels are made for: 32, 64, 96, 128. 0: larger than all of them. */
ON_BOTH int pad_head(int head_dim) { return head_dim > 128 ? 0 : (head_dim + 31) / 32 * 32; }

enum { KEYS_PER_BLOCK = 64 }; /* positions of a KV block; KV_BLOCK of kernels.h */

/* Keys or values of one head in a block, in units of 16 bits: bf16 [64][d]; or 8-bit integers
 * [64][d] and behind them bf16 scales [64][d / KV_SCALED], one for KV_SCALED dimensions. */
enum { KV_SCALED = 32 };
ON_BOTH int64_t kv_plane(bool is_q8, int d)
{
    return KEYS_PER_BLOCK * (is_q8 ? (int64_t)d / 2 + d / KV_SCALED : d);
}

/* What a launch moves and computes at least, for shares of the limits. */
struct work_size {
    int64_t bytes, flops;
};

#endif
