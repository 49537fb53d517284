/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "notebook/certainty.h"
#include "notebook/engine.h"

/* -- Work in progress ------------------------------------------------------------------------- */

void engine_init(struct engine *e, const struct nb_front *front)
{
    *e = (struct engine){.front = front};
}

void engine_begin(struct engine *e)
{
    atomic_store(&e->cancelled, false);
    e->forecast.on = false;
    e->front->begins(e->front->user);
}

bool engine_stopped(struct engine *e)
{
    return atomic_load(&e->cancelled) || e->front->stopped(e->front->user);
}

int engine_is_stopped(void *engine) { return engine_stopped(engine); }

struct phi3v_prompt_options engine_prompt_options(struct engine *e, int num_crops)
{
    struct phi3v_prompt_options opt;
    phi3v_prompt_options_default(&opt);
    opt.num_crops = num_crops;
    opt.stopped = engine_is_stopped;
    opt.user = e;
    return opt;
}

void engine_cancel(struct engine *e)
{
    atomic_store(&e->cancelled, true);
    phi3v_session *session = atomic_load(&e->working);
    if (session) phi3v_session_cancel(session);
}

int engine_on_event(const struct phi3v_event *event, void *user)
{
    static const struct {
        const char *name;
        enum nb_unit unit;
    } stage[] = {[PHI3V_STAGE_LOAD] = {"loading the model", NB_BYTES},
                 [PHI3V_STAGE_VISION] = {"looking at pictures", NB_CROPS},
                 [PHI3V_STAGE_PREFILL] = {"reading the prompt", NB_TOKENS}};
    struct engine *e = user;
    forecast_event(&e->forecast, event, now_s());
    if (event->type == PHI3V_EVENT_TEXT) e->forecast.on = false; /* the word is there */
    if (event->type == PHI3V_EVENT_PROGRESS && e->forecast.on)
        e->front->progress(e->front->user,
                           &(struct nb_progress){"reading", NB_SHARE,
                                                 (int64_t)(1000 * e->forecast.share), 1000,
                                                 e->forecast.left_s});
    else if (event->type == PHI3V_EVENT_PROGRESS && event->stage <= PHI3V_STAGE_PREFILL)
        e->front->progress(e->front->user,
                           &(struct nb_progress){stage[event->stage].name, stage[event->stage].unit,
                                                 event->done, event->total, -1});
    return engine_stopped(e);
}

/* -- The model -------------------------------------------------------------------------------- */

static void tell_model(const struct engine *e)
{
    if (e->front->model_changed) e->front->model_changed(e->front->user, e->model);
}

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
                     phi3v_model **ret_model, phi3v_session **ret_session, struct phi3v_error *err)
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
    int rc = phi3v_model_open(path, &how, ret_model, err);
    if (!rc && (rc = phi3v_session_new(*ret_model, ret_session, err)))
        phi3v_model_close(*ret_model);
    e->front->progress(e->front->user, NULL);
    return rc;
}

int engine_open(struct engine *e, const char *name, const char *const *model_dirs,
                const struct settings *how, struct phi3v_error *err)
{
    double begun = now_s();
    char *path;
    engine_begin(e);
    int rc = find_model(name, model_dirs, &path, err);
    if (rc) return rc;
    phi3v_model *model;
    phi3v_session *session;
    struct advice advice;
    rc = advice_load(path, &advice, err);
    if (!rc && (rc = open_path(e, path, how, &model, &session, err))) advice_free(&advice);
    phi3v_string_free(path);
    if (rc) return rc;
    engine_close(e);
    e->advice = advice;
    e->model = model;
    e->session = session;
    e->info = phi3v_model_info(model);
    e->load_s = now_s() - begun;
    price_recall(&e->price, e->info, e->price_dir);
    tell_model(e);
    return 0;
}

void engine_close(struct engine *e)
{
    phi3v_session *session = e->session;
    phi3v_model *model = e->model;
    if (model && e->n_answers) price_keep(&e->price, e->info, e->price_dir);
    atomic_store(&e->working, NULL);
    e->session = NULL;
    e->model = NULL;
    e->info = NULL;
    advice_free(&e->advice);
    if (model) tell_model(e);
    phi3v_session_free(session);
    phi3v_model_close(model);
}

/* -- Answers ---------------------------------------------------------------------------------- */

/* A GPU draws tokens by itself and runs ahead of the host, unless each step's logits are wanted. */
static bool wants_certainty(const struct engine *e, const struct settings *s)
{
    if (strcmp(s->certainty, "auto") != 0) return !strcmp(s->certainty, "on");
    return !strncmp(e->info->device, "cpu", 3);
}

/* The settings as the library takes them; *ret_stop is to be freed behind the call. */
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

void engine_expect(struct engine *e, const phi3v_prompt *prompt, int64_t held)
{
    size_t n;
    phi3v_prompt_ids(prompt, &n);
    forecast_begin(&e->forecast, &e->price, e->info, held, (int64_t)n, now_s());
}

int engine_answer(struct engine *e, const phi3v_prompt *prompt, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err)
{
    struct phi3v_params params;
    const char **stop = NULL;
    int rc = params_of(e, how, &params, &stop, err);
    if (rc) return rc;
    *ret = (struct phi3v_result){.size = sizeof *ret};
    if (!e->forecast.on) engine_expect(e, prompt, phi3v_session_common(e->session, prompt));
    atomic_store(&e->working, e->session);
    rc = phi3v_generate(e->session, prompt, &params, on_event, user, ret, err);
    atomic_store(&e->working, NULL);
    e->forecast.on = false;
    e->front->progress(e->front->user, NULL);
    free(stop);
    if (!rc) engine_add_up(e, &ret->timing);
    return rc;
}

int engine_answer_many(struct engine *e, struct phi3v_job *jobs, int n, const struct settings *how,
                       phi3v_job_event_fn on_event, void *user, struct phi3v_error *err)
{
    struct phi3v_params params;
    const char **stop = NULL;
    int rc = params_of(e, how, &params, &stop, err);
    if (rc) return rc;
    atomic_store(&e->working, jobs[0].session);
    rc = phi3v_generate_many(jobs, n, &params, on_event, user, err);
    atomic_store(&e->working, NULL);
    e->front->progress(e->front->user, NULL);
    free(stop);
    return rc;
}

int engine_session(struct engine *e, phi3v_session **ret, struct phi3v_error *err)
{
    return phi3v_session_new(e->model, ret, err);
}

void engine_add_up(struct engine *e, const struct phi3v_timing *t)
{
    price_learn(&e->price, e->info, t);
    e->total.vision_s += t->vision_s;
    e->total.prefill_s += t->prefill_s;
    e->total.decode_s += t->decode_s;
    e->total.prefill_tokens += t->prefill_tokens;
    e->total.cached_tokens += t->cached_tokens;
    e->total.decode_tokens += t->decode_tokens;
    e->total.vision_crops += t->vision_crops;
    e->n_answers++;
}
