/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "verbs/divergence.h"

#include <math.h>

static size_t highest(const float *x, size_t n)
{
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (x[i] > x[best]) best = i;
    return best;
}

static double log_sum(const float *x, size_t n)
{
    double most = x[highest(x, n)], sum = 0;
    for (size_t i = 0; i < n; i++) sum += exp(x[i] - most);
    return most + log(sum);
}

void divergence_add(struct divergence *sum, const float *a, const float *b, const int32_t *ids,
                    size_t n_ids, size_t n_vocab)
{
    for (size_t i = 0; i + 1 < n_ids; i++, a += n_vocab, b += n_vocab) {
        if (ids[i + 1] < 0) continue;
        double log_a = log_sum(a, n_vocab), log_b = log_sum(b, n_vocab), kl = 0;
        for (size_t k = 0; k < n_vocab; k++)
            kl += exp(b[k] - log_b) * (b[k] - log_b - a[k] + log_a);
        sum->n++;
        sum->nll += log_a - a[ids[i + 1]];
        sum->reference += log_b - b[ids[i + 1]];
        sum->kl += kl;
        sum->kl_max = fmax(sum->kl_max, kl);
        sum->agree += highest(a, n_vocab) == highest(b, n_vocab);
    }
}

struct divergence divergence_means(const struct divergence *sum)
{
    struct divergence d = *sum;
    double n = d.n ? (double)d.n : 1;
    d.nll /= n;
    d.reference /= n;
    d.kl /= n;
    d.agree /= n;
    return d;
}
