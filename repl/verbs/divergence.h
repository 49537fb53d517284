/* SPDX-License-Identifier: GPL-3.0-or-later
 * How far two models' distributions of the next token differ on the same sequences. */
#ifndef VERBS_DIVERGENCE_H
#define VERBS_DIVERGENCE_H

#include <stddef.h>
#include <stdint.h>

/* Sums over sequences; divergence_means turns them into means. */
struct divergence {
    int64_t n;             // predicted tokens: all that are text, except the first
    double nll, reference; // their negative log-probability by the model and by the reference
    double kl, kl_max;     // KL(reference || model) in nats, and its maximum
    double agree;          // how often both find the same token most probable
};

/* Adds a sequence. a is the model's logits after every id [n_ids][n_vocab], b the reference's. Ids
 * below 0 are picture rows, which are not predicted. */
void divergence_add(struct divergence *sum, const float *a, const float *b, const int32_t *ids,
                    size_t n_ids, size_t n_vocab);
/* The means per predicted token: all but n and kl_max are divided by n. Zeros when n is 0. */
struct divergence divergence_means(const struct divergence *sum);

#endif
