/* SPDX-License-Identifier: MIT
 * The log-probability of a token, and the most probable tokens in its place. */
#ifndef ENGINE_LOGPROB_H
#define ENGINE_LOGPROB_H

#include "engine/allowed.h"
#include "phi3v.h"

enum { MAX_LOGPROBS = 100 };

/* How many of the most probable tokens params asks for. */
static inline int logprobs_wanted(const struct phi3v_params *params, int n_vocab)
{
    return params->logprobs < n_vocab ? params->logprobs : n_vocab;
}

/* The log-probability of id under the softmax of logits [n_vocab] at temperature 1, over the ids in
 * the set `allowed` (NULL: all). ret_top [n_top] gets the most probable ids, highest first, the
 * lower id first among equals; when fewer are allowed the rest have id -1. n_top is at most
 * n_vocab. No logit may be NaN, and the largest must be finite. */
float logprob_of(const float *logits, int n_vocab, const uint32_t *allowed, int32_t id, int n_top,
                 struct phi3v_logprob *ret_top);

#endif
