/* SPDX-License-Identifier: GPL-3.0-or-later
 * How far the distributions of two models over the next token are apart, on one sequence. */
#ifndef REPL_DIVERGENCE_H
#define REPL_DIVERGENCE_H

#include <stddef.h>
#include <stdint.h>

struct divergence {
    int64_t n;             // tokens that were predicted: those that are words, behind the first
    double nll, reference; // their mean negative log probability by the model, by the reference
    double kl, kl_max;     // mean and largest KL(reference || model), in nats
    double agree;          // share of places where both put the same token first
};

/* a: the model's logits behind every id [n_ids][n_vocab], b: the reference's. Ids below 0 are
 * picture rows, which nothing predicts. */
void divergence_of(struct divergence *ret, const float *a, const float *b, const int32_t *ids,
                   size_t n_ids, size_t n_vocab);

#endif
