/* SPDX-License-Identifier: MIT
 * How probable the model held a token, and which others it held most probable. */
#ifndef ENGINE_LOGPROB_H
#define ENGINE_LOGPROB_H

#include "engine/allowed.h"
#include "phi3v.h"

enum { MAX_LOGPROBS = 100 };

/* How many of the most probable tokens params ask for. */
static inline int logprobs_wanted(const struct phi3v_params *params, int n_vocab)
{
    return params->logprobs < n_vocab ? params->logprobs : n_vocab;
}

/* The log-probability of id under the softmax of logits [n_vocab] at temperature 1, over the ids
 * whose bit is set in allowed (NULL: all). ret_top: [n_top] the most probable ids, highest first,
 * among equals the lower id first, and id -1 where no more are allowed; n_top is at most n_vocab. No
 * logit is NaN, and the largest is finite. */
float logprob_of(const float *logits, int n_vocab, const uint32_t *allowed, int32_t id, int n_top,
                 struct phi3v_logprob *ret_top);

#endif
