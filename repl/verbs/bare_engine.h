/* SPDX-License-Identifier: GPL-3.0-or-later
 * An engine without a notebook, for verbs that need no cells. */
#ifndef VERBS_BARE_ENGINE_H
#define VERBS_BARE_ENGINE_H

#include "notebook/engine.h"
#include "notebook/load.h"
#include "term/progress.h"
#include "verbs/options.h"

struct bare_engine {
    struct options opt;
    struct engine engine;
    struct nb_front front; // shows progress on stderr; Ctrl-C stops it
    struct progress progress;
};

/* Copies the options and takes over Ctrl-C. The struct must not move afterwards. */
void bare_engine_init(struct bare_engine *b, const struct options *opt);
/* Finds and opens opt.model, with progress on stderr; offers to pull it when it is not here. */
int bare_engine_open_model(struct bare_engine *b, struct phi3v_error *err);
void bare_engine_fini(struct bare_engine *b);
/* Loads a picture named on the command line or in a file, as `origin` says. */
int bare_engine_load_picture(struct bare_engine *b, const char *what, enum nb_origin origin,
                             struct loaded *ret, struct phi3v_error *err);
/* A phi3v_event_fn; user is the struct bare_engine. */
int bare_engine_on_progress(const struct phi3v_event *event, void *user);

#endif
