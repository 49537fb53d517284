/* SPDX-License-Identifier: MIT
 * The one owner of the model and its session. Everything that computes an answer asks here, so that
 * another engine can stand in its place. */
#ifndef NOTEBOOK_ENGINE_H
#define NOTEBOOK_ENGINE_H

#include <stdatomic.h>

#include "notebook/advice.h"
#include "notebook/forecast.h"
#include "notebook/notebook.h"

struct engine {
    phi3v_model *model;
    phi3v_session *session;
    const struct phi3v_model_info *info; // of model
    struct advice advice;                // of its folder
    double load_s;
    _Atomic(phi3v_session *) working; // what engine_cancel stops
    atomic_bool cancelled;            // since the last engine_begin
    const struct nb_front *front;     // gets progress; asked whether to stop
    struct price price;               // of the model
    const char *price_dir;            // where it is kept between runs; NULL: nowhere
    struct forecast forecast;         // of the answer being waited for
    struct phi3v_timing total;
    int n_answers;
};

void engine_init(struct engine *e, const struct nb_front *front);
/* Finds and opens a model; on failure the present one stays. name NULL: the default. */
int engine_open(struct engine *e, const char *name, const char *const *model_dirs,
                const struct settings *how, struct phi3v_error *err);
void engine_close(struct engine *e);

/* New work: earlier wishes to stop are forgotten. */
void engine_begin(struct engine *e);
bool engine_stopped(struct engine *e); /* by engine_cancel or the front end */
int engine_is_stopped(void *engine);   /* the same as a callback of the library */
/* How prompts are built: with so many crops, and stopped with the engine. */
struct phi3v_prompt_options engine_prompt_options(struct engine *e, int num_crops);
void engine_cancel(struct engine *e); /* from any thread or signal handler */
/* A phi3v_event_fn for user = struct engine: shows progress, stops when wanted. */
int engine_on_event(const struct phi3v_event *event, void *user);

/* The first word of an answer is waited for from now on: progress is one scale over all that is to
 * be read of the prompt, `held` tokens of which were read before. */
void engine_expect(struct engine *e, const phi3v_prompt *prompt, int64_t held);
/* As phi3v_generate, in the engine's session; on_event also gets the progress. */
int engine_answer(struct engine *e, const phi3v_prompt *prompt, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err);
/* As phi3v_generate_many, in sessions of the caller's. */
int engine_answer_many(struct engine *e, struct phi3v_job *jobs, int n, const struct settings *how,
                       phi3v_job_event_fn on_event, void *user, struct phi3v_error *err);
int engine_session(struct engine *e, phi3v_session **ret, struct phi3v_error *err); /* one more */
/* An answer's timing into the totals and what is known of speed. */
void engine_add_up(struct engine *e, const struct phi3v_timing *t);

#endif
