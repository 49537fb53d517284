/* SPDX-License-Identifier: GPL-3.0-or-later
 * What every verb with a model has: settings, the model, one session. */
#ifndef REPL_APP_H
#define REPL_APP_H

#include "notebook/options.h"
#include "term/progress.h"

struct app {
    struct options opt;
    phi3v_model *model;
    phi3v_session *session;
    const struct phi3v_model_info *info; // of model
    double load_s;
    struct progress progress; // of whatever is at work
};

enum exit_status {
    EXIT_FINE = 0,
    EXIT_CELL = 1, /* a cell or answer failed */
    EXIT_USAGE = 2,
    EXIT_MODEL = 3, /* model or requested device unavailable */
    EXIT_INPUT = 4, /* an input could not be read */
    EXIT_INTERRUPTED = 130
};

/* Finds and opens opt.model (else PHISCOPE_MODEL, else "default") with progress on stderr. */
int app_open_model(struct app *a, struct phi3v_error *err);
void app_close_model(struct app *a);
/* Opens another model by name; on failure the old one stays. */
int app_switch_model(struct app *a, const char *name, struct phi3v_error *err);
/* Where short model names lie, NULL-terminated: beside the source tree and in the data directories.
 * Freed with strings_free. */
void app_models_dirs(struct strings *ret_dirs);
/* Every model found there and in the Hugging Face cache. */
typedef void (*app_model_fn)(const char *name, const char *path, void *user);
void app_each_model(app_model_fn fn, void *user);
/* A phi3v_event_fn for user = struct app: shows progress, stops on Ctrl-C. */
int app_on_progress(const struct phi3v_event *event, void *user);

/* Reports an error (stdout as JSON with --json, else one clean line on stderr) and returns
 * `status`. */
int app_report(const struct options *opt, const struct phi3v_error *err, int status);
/* From now on Ctrl-C stops the session's work; NULL: nothing. */
void app_interrupts(phi3v_session *session);
/* The exit status that goes with an error while an answer is made. */
int app_status(int code);

#endif
