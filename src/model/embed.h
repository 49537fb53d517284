/* SPDX-License-Identifier: MIT
 * Prompt rows to decoder inputs: a token's embedding, or a row of a picture's features. */
#ifndef MODEL_EMBED_H
#define MODEL_EMBED_H

#include "model/ops.h"
#include "weights/bind.h"

/* Error ARGUMENT for an id or feature row that does not exist. */
int embed_check(const struct config *c, const struct prompt_row *row, struct phi3v_error *err);
/* x: [hidden]; row has passed embed_check. */
void embed_row(const struct model_weights *w, const struct kernels *k, const struct prompt_row *row,
               float *x);

#endif
