/* SPDX-License-Identifier: MIT
 * Attention, two ways. Decoding: one query row against many keys, bound by the bytes of keys and
 * values, split over blocks along the keys. Prefill and the tower: many rows, tensor-core products
 * with a running softmax (the scheme of FlashAttention-2, Dao 2023). Both softmaxes run in base 2,
 * scores being scaled by log2(e).
 *
 * A KV block on the GPU: [n_layers][2][n_kv_heads] planes (kv_plane) of 64 positions, keys before
 * values, d = pad_head(head_dim), the columns behind head_dim zero; bf16, or 8-bit integers with
 * scales (kv8.h): offsets are in units of 16 bits for both. Sequences name their blocks by a table
 * of device pointers. */
#ifndef CUDA_ATTEND_H
#define CUDA_ATTEND_H

#include "queue.h"

#ifdef __cplusplus
extern "C" {
#endif

enum { ATTEND_MAX_SPLITS = 16 };

/* Splits of a row that sees n_keys: enough blocks to fill a GPU, few enough partial sums. They
 * follow from the row alone, so its sums have the same bits whichever rows stand beside it. */
ON_BOTH int attend_splits(int64_t n_keys)
{
    return n_keys <= 128 ? 2 : n_keys <= 1024 ? 8 : ATTEND_MAX_SPLITS;
}

/* Query rows, each its own causal sequence: row r stands at position pos[r] of the sequence whose
 * blocks begin at tables[r]. */
struct attend_decode {
    /* Either q: turned queries, keys and values of the rows already stored; */
    const struct bf16 *q; // [n_rows][n_heads][d]
    /* or qkv: the products' rows, not turned; their keys and values are stored by this launch. */
    const float *qkv;                  // [n_rows][(n_heads + 2 n_kv_heads) * head_dim]
    const float *cos, *sin;            // [n_rows][head_dim / 2]
    struct bf16 *const *const *tables; // [n_rows]
    const int *pos;                    // [n_rows], on the device like everything else
    int64_t k_offset, v_offset;        // of this layer within a block
    bool is_q8;                        // what blocks hold
    int n_rows, n_heads, n_kv_heads, head_dim;
    int n_splits;       // attend_splits() of the row with the most keys
    float *parts;       // scratch: attend_parts_floats()
    int *arrived;       // scratch: [n_rows][n_heads], zero before and after
    float *out;         // [n_rows][out_stride] f32 …
    struct bf16 *out16; // … or bf16, one of the two
    int64_t out_stride;
    int64_t n_keys_hint; // of a row; for the work size only
};
size_t attend_parts_floats(int n_rows, int n_heads, int head_dim);
void attend_decode_launch(struct queue *q, const struct attend_decode *a);

struct attend_prefill {
    const struct bf16
        *q; // element (batch, row, head, i) at batch*q_batch + row*q_row + head*q_head + i, i < d
    int64_t q_batch, q_row, q_head;
    /* Keys in blocks (then n_batch is 1) … */
    struct bf16 *const *table;
    int64_t k_offset, v_offset; // of this layer
    bool is_q8;                 // what blocks hold
    /* … or, table NULL, in rows like q's. */
    const struct bf16 *k, *v;
    int64_t kv_batch, kv_row, kv_head;
    struct bf16 *out; // head rows of head_dim elements
    int64_t out_batch, out_row;
    int n_batch, n_rows, n_heads, n_kv_heads, head_dim;
    int n_keys;  // every row sees keys 0 … n_keys-1,
    bool causal; // but causal: row r only keys 0 … first_pos + r
    int first_pos;
};
void attend_prefill_launch(struct queue *q, const struct attend_prefill *a);

#ifdef __cplusplus
}
#endif
#endif
