/* SPDX-License-Identifier: MIT
 * One decoder layer over a piece: rows of one or several sequences that are computed together
 * (docs/model.md, Decoder). */
#ifndef MODEL_LAYER_H
#define MODEL_LAYER_H

#include "base/arena.h"
#include "model/ops.h"
#include "weights/bind.h"

/* Consecutive rows of one sequence within a piece. */
struct piece_part {
    int first_row, n_rows;
    int64_t first_pos;   // position of its first row
    char *const *blocks; // KV blocks of the sequence from position 0 on; layout: model/kv.h
};

/* The work area. Rows of different parts never see each other. */
struct piece {
    enum kv_type kv_type;
    int n_rows, n_parts;
    struct piece_part *parts; // [n_parts]
    struct attention *attend; // [n_parts]
    int *row_part;            // [n_rows]: the part a row belongs to
    int *wanted; // [n_wanted]: rows whose outputs are wanted of the last layer, ascending
    int n_wanted;
    float *cos, *sin; // [n_rows][head_dim/2]
    float *x;         // [n_rows][hidden]: the residual stream
    float *normed;    // [n_rows][hidden]: norms; then a block's output before it is added
    float *qkv;       // [n_rows][(heads + 2*kv_heads)*head_dim]
    float *attn;      // [n_rows][heads*head_dim]
    float *mlp;       // [n_rows][ops_row_stride(2*intermediate)]: gate, then up
};

/* Memory for max_rows rows of max_parts parts, and its layout. */
size_t piece_bytes(const struct config *c, int max_rows, int max_parts);
void piece_take(struct piece *p, const struct config *c, struct arena *a, int max_rows,
                int max_parts);

/* x -> x; writes the rows' keys and values into their blocks before any row attends. */
void layer_run(const struct config *c, const struct decoder_layer_weights *w, struct ops *o,
               struct piece *p, int layer);

/* The same for the last layer, behind which no row attends to another: once all keys and values are
 * stored, only the wanted rows go on. They move to the head of x, and become the piece's rows. */
void layer_run_last(const struct config *c, const struct decoder_layer_weights *w, struct ops *o,
                    struct piece *p);

#endif
