/* SPDX-License-Identifier: MIT
 * The one owner of what answers. Everything that wants an answer asks here, and does not know
 * whether a model on this machine gives it (engine_local.c) or a server (engine_remote.c). */
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

/* One question of several, and what becomes of it. */
struct task {
    const struct question *question; // borrowed
    int code;                        // 0, or why there is no answer,
    struct phi3v_error error;        // with its sentence
    struct phi3v_result result;      // when code is 0; whoever made the task frees it
};

struct tasks {
    /* The next question, asked for whenever there is room for one; NULL: none, or none before
     * another has ended. */
    struct task *(*next)(void *user);
    /* As phi3v_job_event_fn; behind END the task is decided. */
    int (*on_event)(const struct phi3v_event *event, struct task *task, void *user);
    /* The answer begins anew in other words: what came of it is void. May be NULL. */
    bool (*on_again)(struct task *task, void *user);
    void *user;
};

struct engine_kind {
    int (*ask)(struct engine *e, const struct phi3v_turn *turns, int n_turns,
               struct loaded *const *pictures, const struct phi3v_prompt_options *how,
               struct question *ret, struct phi3v_error *err);
    int (*answer)(struct engine *e, const struct question *q, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err);
    int (*answer_all)(struct engine *e, const struct tasks *tasks, const struct settings *how,
                      struct phi3v_error *err);
    void (*result_fini)(struct phi3v_result *result);
    void (*close)(struct engine *e);
    bool sends_files; // pictures are sent as the files they came in
};

struct engine {
    const struct engine_kind *kind;      // NULL: nothing is open
    const struct phi3v_model_info *info; // of what answers; where it is a server's, mostly zeros
    phi3v_model *model;                  // on this machine; NULL
    phi3v_session *session;
    struct chat *chat;               // a server's; NULL
    struct phi3v_model_info of_chat; // what info points at then
    char *note;                      // of it
    char *key;                       // for servers; NULL
    struct advice advice;            // of the model's folder
    struct response_format format;   // what the answers of engine_answer have to be
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
/* Opens what a person named: a model as -m takes it (NULL: the default), or the address of a server,
 * several with commas between, with #NAME behind for one of its models. On failure what is open
 * stays. */
int engine_open(struct engine *e, const char *name, const char *const *model_dirs,
                const struct settings *how, struct phi3v_error *err);
/* The same for models on this machine alone, or for servers alone. */
int engine_open_local(struct engine *e, const char *name, const char *const *model_dirs,
                      const struct settings *how, struct phi3v_error *err);
int engine_open_remote(struct engine *e, const char *urls, const struct settings *how,
                       struct phi3v_error *err);
bool engine_is_address(const char *name);
void engine_close(struct engine *e);

/* New work: earlier wishes to stop are forgotten. */
void engine_begin(struct engine *e);
bool engine_stopped(struct engine *e); /* by engine_cancel or the front end */
int engine_is_stopped(void *engine);   /* the same as a callback of the library */
void engine_cancel(struct engine *e);  /* from any thread or signal handler */
/* How prompts are built: with so many crops, and stopped with the engine. */
struct phi3v_prompt_options engine_prompt_options(struct engine *e, int num_crops);
/* A phi3v_event_fn for user = struct engine: shows progress, stops when wanted. */
int engine_on_event(const struct phi3v_event *event, void *user);

/* -- Asking ------------------------------------------------------------------------------------ */

/* Turns as phi3v_prompt_chat takes them. pictures: all of theirs, in order, as they were loaded.
 * Errors: as phi3v_prompt_chat, UNSUPPORTED. */
int engine_ask(struct engine *e, const struct phi3v_turn *turns, int n_turns,
               struct loaded *const *pictures, const struct phi3v_prompt_options *how,
               struct question *ret, struct phi3v_error *err);
/* The first word of an answer is waited for from now on: progress is one scale over all that is to
 * be read of the prompt, `held` tokens of which were read before. */
void engine_expect(struct engine *e, const phi3v_prompt *prompt, int64_t held);
/* As phi3v_generate; on_event also gets the progress. */
int engine_answer(struct engine *e, const struct question *q, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err);
/* Several at once, as many as engine_at_once says, until there is no next one. Errors: of the
 * whole. */
int engine_answer_all(struct engine *e, const struct tasks *tasks, const struct settings *how,
                      struct phi3v_error *err);
/* Of what engine_answer and the tasks of engine_answer_all got. */
void engine_result_fini(const struct engine *e, struct phi3v_result *result);
int engine_at_once(const struct engine *e, const struct settings *how);
/* Forgets what the session holds, where there is one. */
void engine_forget(struct engine *e);

/* -- What only a model on this machine can do -------------------------------------------------- */

/* The model, or a sentence that what is wanted ("token ids") is not to be had of a server. Errors:
 * UNSUPPORTED. */
int engine_model(const struct engine *e, const char *wanted, phi3v_model **ret,
                 struct phi3v_error *err);
/* What the model will see of a picture; all zeros where that is not known. Errors: as
 * phi3v_image_plan. */
int engine_plan(const struct engine *e, const phi3v_image *image, int num_crops,
                struct phi3v_image_plan *ret, struct phi3v_error *err);

/* -- For the two kinds ------------------------------------------------------------------------- */

/* An answer's timing into the totals and what is known of speed. */
void engine_add_up(struct engine *e, const struct phi3v_timing *t);
/* Takes the place of what was open. */
void engine_replace(struct engine *e, const struct engine *by);

#endif
