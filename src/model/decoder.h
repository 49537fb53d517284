/* SPDX-License-Identifier: MIT
 * A forward pass: all rows of a batch through the decoder in pieces of bounded size, keys and
 * values into the blocks, logits for the rows that want them (docs/model.md, Decoder). How rows
 * fall into pieces never changes a result. */
#ifndef MODEL_DECODER_H
#define MODEL_DECODER_H

#include "base/arena.h"
#include "model/rope.h"
#include "model/ops.h"
#include "weights/bind.h"

enum { DECODER_PIECE = 512 }; /* most rows computed together, unless traced */

struct decoder {
    const struct config *config;         // borrowed
    const struct model_weights *weights; // borrowed
    struct rope rope;
    enum kv_type kv_type; // how keys and values are stored
};

void decoder_init(struct decoder *d, const struct config *c, const struct model_weights *w,
                  enum kv_type kv_type);
/* Work memory of decoder_run for pieces of at most max_rows rows. */
size_t decoder_bytes(const struct decoder *d, int max_rows);
/* seq_blocks[s]: the memory of sequence s's KV blocks. a: at least decoder_bytes(max_rows). A
 * traced batch needs max_rows >= all its rows. Errors: ARGUMENT (an id or feature row that does not
 * exist), CANCELLED. */
int decoder_run(const struct decoder *d, struct ops *o, struct arena *a, int max_rows,
                const struct batch *batch, char *const *const *seq_blocks, struct phi3v_error *err);
/* Rows of all sequences. */
int64_t batch_rows(const struct batch *batch);

#endif
