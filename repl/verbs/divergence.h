/* SPDX-License-Identifier: GPL-3.0-or-later
 * How far the distributions of two models over the next token are apart, on one sequence. */
#ifndef REPL_DIVERGENCE_H
#define REPL_DIVERGENCE_H

#include <stddef.h>
#include <stdint.h>

/* Sums over sequences, until divergence_means. */
struct divergence {
    int64_t n;             // tokens that were predicted: those that are words, behind the first
    double nll, reference; // their negative log probability by the model, by the reference
    double kl, kl_max;     // KL(reference || model) in nats, and the largest
    double agree;          // places where both put the same token first
};

/* Adds a sequence. a: the model's logits behind every id [n_ids][n_vocab], b: the reference's. Ids
 * below 0 are picture rows, which nothing predicts. */
void divergence_add(struct divergence *sum, const float *a, const float *b, const int32_t *ids,
                    size_t n_ids, size_t n_vocab);
/* The same for each predicted token: all but n and kl_max divided by n; zeros when there was none.
 */
struct divergence divergence_means(const struct divergence *sum);

#endif
