/* SPDX-License-Identifier: MIT
 * The single owner of whatever answers. All callers ask here and need not know whether a model on
 * this machine (engine_local.c) or a server (engine_remote.c) gives the answer. */
#ifndef NOTEBOOK_ENGINE_H
#define NOTEBOOK_ENGINE_H

#include <stdatomic.h>

#include "notebook/advice.h"
#include "notebook/response_format.h"
#include "notebook/forecast.h"
#include "notebook/load.h"
#include "notebook/question.h"

struct chat;
struct engine;

/* One of several questions, and its result. */
struct query {
    const struct question *question; // borrowed
    int code;                        // 0, or the reason for having no answer,
    struct phi3v_error error;        // with its message
    struct phi3v_result result;      // when code is 0; whoever made the query frees it
};

struct queries {
    /* The next question, called whenever there is room for one; NULL: none, or none until another
     * has ended. */
    struct query *(*next)(void *user);
    /* As phi3v_job_event_fn; after END the query is complete. */
    int (*on_event)(const struct phi3v_event *event, struct query *query, void *user);
    /* The answer starts again, perhaps in other words: discard what came so far. May be NULL. */
    bool (*on_again)(struct query *query, void *user);
    void *user;
};

struct engine_kind {
    int (*ask)(struct engine *e, const struct phi3v_turn *turns, int n_turns,
               struct loaded *const *pictures, const struct phi3v_prompt_options *how,
               struct question *ret, struct phi3v_error *err);
    int (*answer)(struct engine *e, const struct question *q, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err);
    int (*answer_all)(struct engine *e, const struct queries *queries, const struct settings *how,
                      struct phi3v_error *err);
    void (*result_fini)(struct phi3v_result *result);
    void (*close)(struct engine *e);
    bool sends_files; // pictures are sent as their original files
};

struct engine {
    const struct engine_kind *kind;      // NULL: nothing is open
    const struct phi3v_model_info *info; // of what answers; mostly zeros for a server
    phi3v_model *model;                  // on this machine; NULL
    phi3v_session *session;
    struct chat *chat;               // a server's; NULL
    struct phi3v_model_info of_chat; // what info points at for a server
    char *note;                      // of it
    char *key;                       // for servers; NULL
    struct advice advice;            // of the model's folder
    struct response_format format;   // the form required of engine_answer's answers
    double load_s;
    _Atomic(phi3v_session *) working; // what engine_cancel stops
    atomic_bool cancelled;            // since the last engine_begin
    const struct nb_front *front;     // receives progress; says whether to stop
    struct price price;               // of the model
    const char *price_dir;            // where prices are kept between runs; NULL: nowhere
    struct forecast forecast;         // of the answer being awaited
    struct phi3v_timing total;
    int n_answers;
};

void engine_init(struct engine *e, const struct nb_front *front);
/* Opens what a person named: a model as -m takes it (NULL: the default), or the address of a server
 * (several separated by commas), with an optional #NAME for one of its models. On failure the
 * engine that was open stays open. */
int engine_open(struct engine *e, const char *name, const char *const *model_dirs,
                const struct settings *how, struct phi3v_error *err);
/* The same for models on this machine only, or for servers only. */
int engine_open_local(struct engine *e, const char *name, const char *const *model_dirs,
                      const struct settings *how, struct phi3v_error *err);
int engine_open_remote(struct engine *e, const char *urls, const struct settings *how,
                       struct phi3v_error *err);
bool engine_is_address(const char *name);
void engine_close(struct engine *e);

/* Begins new work: earlier requests to stop are forgotten. */
void engine_begin(struct engine *e);
bool engine_stopped(struct engine *e); /* by engine_cancel or the front end */
int engine_is_stopped(void *engine);   /* the same as a callback of the library */
void engine_cancel(struct engine *e);  /* from any thread or signal handler */
/* How to build prompts: with this many crops, and cancelled with the engine. */
struct phi3v_prompt_options engine_prompt_options(struct engine *e, int num_crops);
/* A phi3v_event_fn for user = struct engine: shows progress, stops when wanted. */
int engine_on_event(const struct phi3v_event *event, void *user);

/* -- Asking ------------------------------------------------------------------------------------ */

/* Takes turns as phi3v_prompt_chat does. pictures: all the turns' pictures in order, as they were
 * loaded. Errors: as phi3v_prompt_chat, UNSUPPORTED. */
int engine_ask(struct engine *e, const struct phi3v_turn *turns, int n_turns,
               struct loaded *const *pictures, const struct phi3v_prompt_options *how,
               struct question *ret, struct phi3v_error *err);
/* An answer's first word is awaited from now on: progress is one scale over the whole prefill, of
 * which `held` tokens were already in the kv_cache. */
void engine_expect(struct engine *e, const phi3v_prompt *prompt, int64_t held);
/* As phi3v_generate; on_event also gets the progress. */
int engine_answer(struct engine *e, const struct question *q, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err);
/* Answers several at once, as many as engine_at_once says, until there is no next one. Errors: of
 * the whole run, not of single answers. */
int engine_answer_all(struct engine *e, const struct queries *queries, const struct settings *how,
                      struct phi3v_error *err);
/* Frees what engine_answer and the queries of engine_answer_all returned. */
void engine_result_fini(const struct engine *e, struct phi3v_result *result);
int engine_at_once(const struct engine *e, const struct settings *how);
/* Clears the session, if there is one. */
void engine_forget(struct engine *e);

/* -- What only a model on this machine can do -------------------------------------------------- */

/* The model, or an error that a server cannot provide what is wanted ("token ids"). Errors:
 * UNSUPPORTED. */
int engine_model(const struct engine *e, const char *wanted, phi3v_model **ret,
                 struct phi3v_error *err);
/* What the model will see of a picture; all zeros when unknown. Errors: as phi3v_image_plan. */
int engine_plan(const struct engine *e, const phi3v_image *image, int num_crops,
                struct phi3v_image_plan *ret, struct phi3v_error *err);

/* -- For the two kinds ------------------------------------------------------------------------- */

/* Adds an answer's timing to the totals and to what is known of speed. */
void engine_add_up(struct engine *e, const struct phi3v_timing *t);
/* Replaces the open engine. */
void engine_replace(struct engine *e, const struct engine *by);

#endif
