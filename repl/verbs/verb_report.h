/* SPDX-License-Identifier: GPL-3.0-or-later
 * How a verb reports errors and JSON, and the exit status that goes with an error. */
#ifndef VERBS_VERB_REPORT_H
#define VERBS_VERB_REPORT_H

#include "common/json.h"
#include "verbs/options.h"

enum exit_status {
    EXIT_FINE = 0,
    EXIT_CELL = 1, /* a cell or answer failed */
    EXIT_USAGE = 2,
    EXIT_MODEL = 3, /* model or requested device unavailable */
    EXIT_INPUT = 4, /* an input could not be read */
    EXIT_INTERRUPTED = 130
};

/* Reports an error and returns `status`: with --json as an object on stdout, else as one clean line
 * on stderr. */
int verb_report_error(const struct options *opt, const struct phi3v_error *err, int status);
/* Writes a JSON value as one line of stdout. */
void verb_report_json(const json_t *value);

/* The exit status for an error of answering, of reading an input, and of opening a model. */
int verb_answer_status(int code);
int verb_input_status(int code);
int verb_model_status(int code);

#endif
