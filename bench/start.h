/* SPDX-License-Identifier: MIT
 * Cases that need a process of their own: opening the model, and what it takes of memory. */
#ifndef BENCH_START_H
#define BENCH_START_H

#include "cases.h"

/* What the process tells. */
struct start_report {
    struct phi3v_error err; // code 0: fine
    char dtype[16], kv[16];
    struct sample sample;
};

/* Opens the model in a child process and, with n_crops 0, gives the first token behind a few words;
 * else that of a picture of n_crops. Waits for its end. Call it while this process has one thread.
 * Returns report->err.code. */
int start_run(const char *path, const struct phi3v_model_options *opt, int n_crops,
              struct start_report *ret_report);

#endif
