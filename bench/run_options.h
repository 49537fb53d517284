/* SPDX-License-Identifier: MIT
 * The options of `phiscope bench`. */
#ifndef BENCH_RUN_OPTIONS_H
#define BENCH_RUN_OPTIONS_H

#include <stdbool.h>
#include <stdint.h>

enum exit_status {
    EXIT_FINE = 0,
    EXIT_CASE = 1, // a case failed, or --compare found one slower
    EXIT_USAGE = 2,
    EXIT_MODEL = 3,
    EXIT_INTERRUPTED = 130
};

enum { MAX_PLAN = 64 };

/* One case to run. number: tokens of context for tg, tokens of the prompt for pp, answers for many,
 * crops for the others. tokens: of the question for turn and edit. */
struct plan_item {
    const struct case_kind *kind;
    int64_t number;
    int tokens;
};

struct run_options {
    const char *model, *synthetic, *dtype, *kv, *device, *compare;
    int threads;
    int repeat; // 0: as many as fit in a few seconds
    bool json, csv, stages;
    bool lines; // --case -: read plans from standard input
    struct plan_item plan[MAX_PLAN];
    int n_plan;
};

/* Returns -1 to go on, else the exit status after reporting an error. */
int run_options_read(int argc, char **argv, struct run_options *ret_options);

/* Replaces the plan by that of a --case list. Returns 0, or an exit status after reporting an
 * error. */
int run_options_plan(struct run_options *s, const char *list);

/* Reports an error as a line on stderr or, with --json, as an object on stdout. Returns
 * `status`. */
int run_options_report(const struct run_options *s, int status, int code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));

#endif
