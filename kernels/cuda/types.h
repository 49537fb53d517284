/* SPDX-License-Identifier: MIT
 * Numbers and matrices as they lie in the card's memory, for the C and the CUDA files of the
 * module. */
#ifndef CUDA_TYPES_H
#define CUDA_TYPES_H

#include <stddef.h>
#include <stdint.h>

struct bf16 {
    uint16_t bits; // the upper half of an f32
};

/* Rows of matrices and activations are padded with zeros to a multiple of this many elements, so
 * that every row begins at a multiple of 128 bytes and 16-byte loads need no tail. */
enum { ROW_PAD = 64 };
static inline int64_t pad_row(int64_t n) { return (n + ROW_PAD - 1) / ROW_PAD * ROW_PAD; }

/* A weight matrix on the card: [n_out][ld] bf16, columns n_in … ld-1 zero. */
struct dev_mat {
    const struct bf16 *data;
    int n_out, n_in;
    int64_t ld;
};

/* Head rows of keys, values and queries are padded with zeros to one of the sizes the attention
 * kernels are made for: 32, 64, 96, 128. 0: larger than all of them. */
static inline int pad_head(int head_dim) { return head_dim > 128 ? 0 : (head_dim + 31) / 32 * 32; }

enum { KEYS_PER_BLOCK = 64 }; /* positions of a KV block; KV_BLOCK of kernels.h */

/* What a launch moves and computes at least, for shares of the limits. */
struct work_size {
    int64_t bytes, flops;
};

#endif
