/* SPDX-License-Identifier: GPL-3.0-or-later
 * What verbs share: exit statuses, reports, where models lie, and an engine of their own for those
 * that need no cells. */
#ifndef VERBS_APP_H
#define VERBS_APP_H

#include "common/json.h"
#include "notebook/engine.h"
#include "notebook/load.h"
#include "term/progress.h"
#include "verbs/options.h"

enum exit_status {
    EXIT_FINE = 0,
    EXIT_CELL = 1, /* a cell or answer failed */
    EXIT_USAGE = 2,
    EXIT_MODEL = 3, /* model or requested device unavailable */
    EXIT_INPUT = 4, /* an input could not be read */
    EXIT_INTERRUPTED = 130
};

/* A model and a session without a notebook. */
struct app {
    struct options opt;
    struct engine engine;
    struct nb_front front; // progress on stderr, stopped by Ctrl-C
    struct progress progress;
};

/* Takes over the options of the command line, and Ctrl-C. Not to be moved afterwards. */
void app_init(struct app *a, const struct options *opt);
/* Finds and opens opt.model with progress on stderr. */
int app_open_model(struct app *a, struct phi3v_error *err);
/* At a terminal, where the model that is meant is one of the hub and not here: offers to pull it.
 * 0: go on, whatever was answered. Errors as hub_pull. Called before a model is opened. */
int pull_offer(const struct options *opt, struct phi3v_error *err);
void app_close_model(struct app *a);
void app_fini(struct app *a);
/* A picture as the person at the command line names it. */
int app_load_picture(struct app *a, const char *what, enum nb_origin origin, struct loaded *ret,
                     struct phi3v_error *err);
/* A phi3v_event_fn for user = struct app. */
int app_on_progress(const struct phi3v_event *event, void *user);

/* Opens what answers, as the command line names it; offers to pull a model that is not here. Errors:
 * as nb_open_model and hub_pull. */
int app_open_engine(const struct options *opt, struct notebook *nb, struct phi3v_error *err);
/* The name of that, as nb_open_model takes it; free. NULL: the default model. */
char *app_engine_name(const struct options *opt);
/* The key for servers, to be freed; *ret NULL: there is none. Errors: IO. */
int app_api_key(const struct options *opt, char **ret, struct phi3v_error *err);
/* The model that is meant: opt.model, else PHISCOPE_MODEL; NULL: the default. */
const char *app_model_name(const struct options *opt);
/* Where short model names lie, NULL-terminated; valid until the program ends. */
const char *const *app_model_dirs(void);
/* Every model there and in the Hugging Face cache that can be opened. */
typedef void (*app_model_fn)(const char *name, const char *path, void *user);
void app_each_model(app_model_fn fn, void *user);

/* Reports an error (stdout as JSON with --json, else one clean line on stderr) and returns
 * `status`. */
int app_report(const struct options *opt, const struct phi3v_error *err, int status);
/* An object on a line of standard output. */
void app_print_json(const json_t *value);
/* The exit status that goes with an error while an answer is made. */
int app_status(int code);
/* That of an input that cannot be read. */
int app_input_status(int code);
/* That of a model that cannot be opened. */
int app_model_status(int code);

#endif
