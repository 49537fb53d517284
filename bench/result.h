/* SPDX-License-Identifier: MIT
 * The samples of a case, and their summary. */
#ifndef BENCH_RESULT_H
#define BENCH_RESULT_H

#include "cases.h"

enum { MAX_SAMPLES = 300 };

struct result {
    const char *name;           // of the case
    char dtype[16], kv[16];     // types of weights; of keys and values
    int64_t cache_bytes;        // of the machine's last-level cache
    struct machine_limits best; // of all probes in the run
    struct sample *samples;
    int n_samples;
};

/* Medians over the samples that count. */
struct summary {
    int64_t n, ctx;
    int tokens;            // of a question; 0: no question
    double seconds, tok_s; // tok_s 0: the case is not about tokens
    double amount;         // bytes (for reading and memory) or operations
    bool reads;            // amount is in bytes
    char limit[40];        // of which the share is; "cache", with share 0: data fits the cache
    double share;          // 0: unknown
    double read_gbs_before, read_gbs_after;
    int n_samples, n_counted;
};

/* Whether the probes before and after a sample agree within a tenth in the limits that bound it. */
bool sample_agrees(const struct sample *s);
/* Samples that agree count; when none does, all count. */
bool sample_counts(const struct result *r, const struct sample *s);
void result_summary(const struct result *r, struct summary *ret_summary);

/* The lowest and the highest read bandwidth of all probes in the run. */
struct band {
    double low, high;
};
/* Raises each limit in *best to that of a probe. */
void limits_raise(struct machine_limits *best, const struct machine_limits *seen);
void band_widen(struct band *band, const struct machine_limits *limits);
/* "low" or "high" when the machine's bandwidth has two modes, else "steady". */
const char *band_mode(const struct band *band, const struct summary *s);

#endif
