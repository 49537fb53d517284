/* SPDX-License-Identifier: MIT
 * The samples of a case, and what they come to. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "cases.h"

enum { MAX_SAMPLES = 300 };

struct result {
    const char *name;           // of the case
    char dtype[16], kv[16];     // types of weights; of keys and values
    int64_t cache_bytes;        // of the machine's last-level cache
    struct machine_limits best; // that any probe of the run saw
    struct sample *samples;
    int n_samples;
};

/* What a result says: medians over the samples that count. */
struct summary {
    int64_t n, ctx;
    int tokens;            // of a question; 0: none was asked
    double seconds, tok_s; // tok_s 0: the case is not about tokens
    double amount;         // bytes, for reading and memory, or operations
    bool reads;            // which of the two
    char limit[40];        // what the share is of; "cache" and share 0: it hides the memory
    double share;          // 0: there is none
    double read_gbs_before, read_gbs_after;
    int n_samples, n_counted;
};

/* Do the probes on both sides of a sample agree within a tenth, in the limits that bound it? */
bool sample_agrees(const struct sample *s);
/* Samples that agree count; where there is none, all do. */
bool sample_counts(const struct result *r, const struct sample *s);
void result_summary(const struct result *r, struct summary *ret_summary);

/* The lowest and the highest read bandwidth that any probe of the run saw. */
struct band {
    double low, high;
};
/* Raises each of *best to what a probe saw. */
void limits_raise(struct machine_limits *best, const struct machine_limits *seen);
void band_widen(struct band *band, const struct machine_limits *limits);
/* "low" or "high" where the machine has two modes of bandwidth, else "steady". */
const char *band_mode(const struct band *band, const struct summary *s);

#endif
