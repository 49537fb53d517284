/* SPDX-License-Identifier: MIT
 * The engine for a model on this machine. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "notebook/certainty.h"
#include "notebook/guess.h"
#include "notebook/engine.h"

static const struct engine_kind local;

/* -- Opening ---------------------------------------------------------------------------------- */

static int find_model(const char *name, const char *const *dirs, char **ret,
                      struct phi3v_error *err)
{
    bool named = name && *name;
    int rc = phi3v_model_find(named ? name : "default", dirs, ret, err);
    if (rc == PHI3V_E_MODEL && !named)
        return refuse(
            err, rc, "the built-in model is not beside the program; give -m FOLDER or -m ORG/NAME");
    return rc;
}

static int open_path(struct engine *e, const char *path, const struct settings *s,
                     struct engine *ret, struct phi3v_error *err)
{
    struct phi3v_model_options how;
    phi3v_model_options_default(&how);
    how.device = s->device;
    how.dtype = s->dtype;
    how.kv = s->kv;
    how.vision_dtype = s->vision_dtype;
    how.n_threads = s->threads;
    how.ctx = s->ctx;
    how.on_event = engine_on_event;
    how.user = e;
    int rc = phi3v_model_open(path, &how, &ret->model, err);
    if (!rc && (rc = phi3v_session_new(ret->model, &ret->session, err)))
        phi3v_model_close(ret->model);
    e->front->progress(e->front->user, NULL);
    return rc;
}

int engine_open_local(struct engine *e, const char *name, const char *const *model_dirs,
                      const struct settings *how, struct phi3v_error *err)
{
    double begun = now_s();
    char *path;
    struct engine new = {.kind = &local};
    engine_begin(e);
    int rc = find_model(name, model_dirs, &path, err);
    if (rc) return rc;
    rc = advice_load(path, &new.advice, err);
    if (!rc && (rc = open_path(e, path, how, &new, err))) advice_free(&new.advice);
    phi3v_string_free(path);
    if (rc) return rc;
    new.info = phi3v_model_info(new.model);
    new.load_s = now_s() - begun;
    engine_replace(e, &new);
    return 0;
}

static void close_model(struct engine *e)
{
    phi3v_session_free(e->session);
    phi3v_model_close(e->model);
}

/* -- One answer ------------------------------------------------------------------------------- */

static int ask(struct engine *e, const struct phi3v_turn *turns, int n_turns,
               struct loaded *const *pictures, const struct phi3v_prompt_options *how,
               struct question *ret, struct phi3v_error *err)
{
    (void)pictures;
    size_t n;
    int rc = phi3v_prompt_chat(e->model, turns, n_turns, how, &ret->prompt, err);
    if (rc) return rc;
    phi3v_prompt_ids(ret->prompt, &n);
    ret->n_tokens = (int64_t)n;
    return 0;
}

/* A GPU samples tokens itself and runs ahead of the host, unless every step's logits are needed, as
 * they are for judging answers. */
static bool wants_certainty(const struct engine *e, const struct settings *s)
{
    if (strcmp(s->certainty, "auto") != 0) return !strcmp(s->certainty, "on");
    return guess_awaited(e, s) || !strncmp(e->info->device, "cpu", 3);
}

/* Converts the settings for the library; *ret_stop is to be freed after the call. */
static int params_of(const struct engine *e, const struct settings *s, struct phi3v_params *ret,
                     const char ***ret_stop, struct phi3v_error *err)
{
    const char **stop = memory_zero(s->stop.n + 1, sizeof *stop);
    if (!stop) return memory_error(err);
    settings_params(s, ret, stop);
    ret->logprobs = wants_certainty(e, s) ? CERTAINTY_TOP : 0;
    *ret_stop = stop;
    return 0;
}

static int answer(struct engine *e, const struct question *q, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err)
{
    struct phi3v_params params;
    struct binding *binding;
    const char **stop = NULL;
    int rc = params_of(e, how, &params, &stop, err);
    if (!rc) rc = response_format_begin(&e->format, e->model, &binding, err);
    if (rc) {
        free(stop);
        return rc;
    }
    params.constraint = binding ? binding_constraint(binding) : NULL;
    params.draft = q->draft;
    params.n_draft = q->n_draft;
    *ret = (struct phi3v_result){.size = sizeof *ret};
    if (!e->forecast.on) engine_expect(e, q->prompt, phi3v_session_common(e->session, q->prompt));
    atomic_store(&e->working, e->session);
    rc = phi3v_generate(e->session, q->prompt, &params, on_event, user, ret, err);
    atomic_store(&e->working, NULL);
    if (rc && binding && binding_failed(binding)) rc = memory_error(err);
    binding_free(binding);
    free(stop);
    return rc;
}

/* -- Several ---------------------------------------------------------------------------------- */

struct several;

/* A session and the question it answers. */
struct seat {
    struct several *of;
    phi3v_session *session;
    struct query *query; // NULL: the seat is free
    struct phi3v_job job;
};

struct several {
    struct engine *engine;
    const struct queries *queries;
    const struct phi3v_params *params;
    phi3v_batch *batch;
    struct seat *seats; // [n]
    int n, n_taken;
    bool spoke; // an answer has produced its first word
};

/* Opens up to n sessions, as many as memory allows. */
static int several_init(struct several *v, struct engine *e, int n, struct phi3v_error *err)
{
    v->seats = memory_zero((size_t)n, sizeof *v->seats);
    int rc = v->seats ? 0 : memory_error(err);
    while (v->n < n && !rc) {
        v->seats[v->n].of = v;
        rc = phi3v_session_new(e->model, &v->seats[v->n].session, err);
        v->n += rc == 0;
    }
    return v->n > 0 ? phi3v_batch_new(e->model, v->n, &v->batch, err) : rc;
}

/* Unfinished answers end as they are. */
static void several_fini(struct several *v)
{
    phi3v_batch_free(v->batch);
    for (int k = 0; k < v->n; k++) phi3v_session_free(v->seats[k].session);
    free(v->seats);
}

static int on_event(const struct phi3v_event *event, void *user)
{
    struct seat *seat = user;
    struct several *v = seat->of;
    struct query *query = seat->query;
    v->spoke |= event->type == PHI3V_EVENT_TEXT || event->type == PHI3V_EVENT_END;
    if (event->type == PHI3V_EVENT_END) {
        query->code = seat->job.code;
        query->error = seat->job.error;
        query->result.timing.decode_s /= v->n_taken; // shared by the batch
        seat->query = NULL;
        v->n_taken--;
    }
    return v->queries->on_event(event, query, v->queries->user);
}

static void join(struct several *v, struct seat *seat, struct query *query)
{
    query->result = (struct phi3v_result){.size = sizeof query->result};
    seat->query = query;
    seat->job = (struct phi3v_job){.size = sizeof seat->job,
                                   .session = seat->session,
                                   .prompt = query->question->prompt,
                                   .result = &query->result};
    v->n_taken++;
    if (!v->spoke) engine_expect(v->engine, query->question->prompt, 0);
    seat->job.code =
        phi3v_batch_join(v->batch, &seat->job, v->params, on_event, seat, &seat->job.error);
    if (seat->job.code) on_event(&(struct phi3v_event){.type = PHI3V_EVENT_END}, seat);
}

/* Gives questions to free seats. The first question runs alone until its first word, which then
 * comes as early as if it were the only one. */
static void fill(struct several *v)
{
    struct query *query;
    for (struct seat *seat = v->seats; seat < v->seats + v->n; seat++)
        while (!seat->query && (v->spoke || !v->n_taken) &&
               (query = v->queries->next(v->queries->user)))
            join(v, seat, query);
}

static int answer_all(struct engine *e, const struct queries *queries, const struct settings *how,
                      struct phi3v_error *err)
{
    enum { TOKENS_A_ROUND = 16 }; /* if the device samples them itself; otherwise one */
    struct phi3v_params params;
    const char **stop = NULL;
    struct several v = {.engine = e, .queries = queries, .params = &params};
    int rc = params_of(e, how, &params, &stop, err);
    if (!rc) rc = several_init(&v, e, engine_at_once(e, how), err);
    while (!rc && !engine_stopped(e)) {
        fill(&v);
        if (!v.n_taken) break;
        phi3v_batch_step(v.batch, TOKENS_A_ROUND);
    }
    e->forecast.on = false;
    several_fini(&v);
    free(stop);
    return rc;
}

static const struct engine_kind local = {.ask = ask,
                                         .answer = answer,
                                         .answer_all = answer_all,
                                         .result_fini = phi3v_result_fini,
                                         .close = close_model};
