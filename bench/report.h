/* SPDX-License-Identifier: MIT
 * Reports results as a table, as JSON, as CSV, and compared with a stored run. */
#ifndef BENCH_REPORT_H
#define BENCH_REPORT_H

#include <jansson.h>

#include "result.h"

/* A whole run. */
struct run {
    const struct run_options *settings;
    struct machine_limits limits; // measured first
    struct band band;
    struct machine_limits best; // of all probes
    struct result *results;     // [n_results]
    int n_results;
    json_t *stored;     // of --compare, or NULL
    const char *device; // the model's; NULL: none was opened
};

/* Loads the stored run of --compare. Returns 0, or an exit status after reporting an error. */
int report_load(const struct run_options *s, json_t **ret_stored);

void report_limits(const struct run *run);                         // head of the table
void report_result(const struct run *run, const struct result *r); // one line of it
void report_json(const struct run *run, bool interrupted);
void report_csv(const struct run *run);
/* Writes to stderr which cases are over a tenth slower than in the stored run; returns how many. */
int report_slower(const struct run *run);

#endif
