/* SPDX-License-Identifier: MIT
 * Cases that need their own process: opening the model, and its memory. */
#ifndef BENCH_START_H
#define BENCH_START_H

#include "cases.h"

/* What the process reports. */
struct start_report {
    struct phi3v_error err; // code 0: fine
    char dtype[16], kv[16];
    struct sample sample;
};

/* Opens the model in a child process, computes the first token after a few words or, with n_crops >
 * 0, after a picture, and waits for its end. Call it while this process has one thread. Returns
 * report->err.code. */
int start_run(const char *path, const struct phi3v_model_options *opt, int n_crops,
              struct start_report *ret_report);

#endif
