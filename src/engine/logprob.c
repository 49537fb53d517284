/* SPDX-License-Identifier: MIT */
#include "engine/logprob.h"

#include <math.h>

/* Insertion is fast enough: n_top is small, and few logits ever enter the list. */
static void take_top(const float *logits, int n_vocab, const uint32_t *allowed, int n_top,
                     struct phi3v_logprob *top)
{
    int n = 0;
    for (int32_t id = 0; id < n_vocab; id++) {
        if (n == n_top && !(logits[id] > top[n - 1].logprob)) continue;
        if (!is_allowed(allowed, id)) continue;
        int at = n < n_top ? n++ : n - 1;
        for (; at > 0 && logits[id] > top[at - 1].logprob; at--) top[at] = top[at - 1];
        top[at] = (struct phi3v_logprob){.id = id, .logprob = logits[id]};
    }
    for (; n < n_top; n++) top[n] = (struct phi3v_logprob){.id = -1, .logprob = -INFINITY};
}

float logprob_of(const float *logits, int n_vocab, const uint32_t *allowed, int32_t id, int n_top,
                 struct phi3v_logprob *ret_top)
{
    float largest = logits[id];
    for (int i = 0; i < n_vocab; i++)
        if (is_allowed(allowed, i) && logits[i] > largest) largest = logits[i];
    double sum = 0;
    for (int i = 0; i < n_vocab; i++)
        if (is_allowed(allowed, i)) sum += exp((double)logits[i] - (double)largest);
    double log_sum = (double)largest + log(sum);
    if (n_top > 0) take_top(logits, n_vocab, allowed, n_top, ret_top);
    for (int i = 0; i < n_top; i++)
        ret_top[i].logprob = (float)((double)ret_top[i].logprob - log_sum);
    return (float)((double)logits[id] - log_sum);
}
