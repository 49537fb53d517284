/* SPDX-License-Identifier: MIT
 * What a model that was accepted must be able to do: one picture and one token. */
#ifndef FUZZ_ONE_PASS_H
#define FUZZ_ONE_PASS_H

#include "weights/bind.h"

/* Few enough numbers for a fuzzer to compute with. */
int one_pass_is_small(const struct config *c);
/* Encodes a picture and computes its rows and a token behind them on one thread, to logits. Without
 * memory it does less; nothing else may go wrong. */
void one_pass(const struct config *c, const struct model_weights *w, enum kv_type kv_type);
/* The same with made-up weights in a form. */
void one_pass_synthetic(const struct config *c, enum weights_form form, enum kv_type kv_type);

#endif
