/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "net/url.h"
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
    if (event->type == PHI3V_EVENT_TEXT) e->forecast.on = false; /* the first word has come */
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

/* -- Opening and closing ---------------------------------------------------------------------- */

/* Addresses of the hub's pages are model names, which -m and :model take too. */
bool engine_is_address(const char *name)
{
    return name && url_is_http(name) && !url_behind_hub(name);
}

int engine_open(struct engine *e, const char *name, const char *const *model_dirs,
                const struct settings *how, struct phi3v_error *err)
{
    char *path = NULL; /* of a model whose page on a mirror of the hub was pasted */
    bool address = engine_is_address(name) && phi3v_model_find(name, model_dirs, &path, NULL) != 0;
    phi3v_string_free(path);
    return address ? engine_open_remote(e, name, how, err)
                   : engine_open_local(e, name, model_dirs, how, err);
}

static void tell_model(const struct engine *e)
{
    if (e->front->model_changed) e->front->model_changed(e->front->user, e->model);
}

void engine_close(struct engine *e)
{
    struct engine was = {
        .kind = e->kind, .model = e->model, .session = e->session, .chat = e->chat};
    struct advice advice = e->advice;
    char *told = e->note;
    if (e->model && e->n_answers) price_keep(&e->price, e->info, e->price_dir);
    atomic_store(&e->working, NULL);
    e->kind = NULL;
    e->info = NULL;
    e->model = NULL;
    e->session = NULL;
    e->chat = NULL;
    e->note = NULL;
    e->advice = (struct advice){0};
    response_format_forget_model(&e->format);
    if (was.model) tell_model(e);
    if (was.kind) was.kind->close(&was);
    advice_free(&advice);
    free(told);
}

void engine_replace(struct engine *e, const struct engine *by)
{
    engine_close(e);
    e->kind = by->kind;
    e->model = by->model;
    e->session = by->session;
    e->chat = by->chat;
    e->of_chat = by->of_chat;
    e->info = by->chat ? &e->of_chat : by->info;
    e->note = by->note;
    e->advice = by->advice;
    e->load_s = by->load_s;
    e->price = (struct price){0};
    if (e->model) price_recall(&e->price, e->info, e->price_dir);
    tell_model(e);
}

/* -- Asking ----------------------------------------------------------------------------------- */

void question_fini(struct question *q)
{
    phi3v_prompt_free(q->prompt);
    json_decref(q->messages);
    for (int k = 0; k < q->n_images; k++) phi3v_image_free(q->images[k]);
    free(q->images);
    *q = (struct question){0};
}

/* Keeps the pictures as long as the question. */
static int keep_images(const struct phi3v_turn *turns, int n_turns, struct question *q,
                       struct phi3v_error *err)
{
    size_t n = 0;
    for (int k = 0; k < n_turns; k++) n += (size_t)turns[k].n_images;
    q->images = memory_zero(n, sizeof(phi3v_image *));
    if (!q->images) return memory_error(err);
    for (int k = 0; k < n_turns; k++)
        for (int j = 0; j < turns[k].n_images; j++)
            q->images[q->n_images++] = phi3v_image_ref(turns[k].images[j]);
    return 0;
}

int engine_ask(struct engine *e, const struct phi3v_turn *turns, int n_turns,
               struct loaded *const *pictures, const struct phi3v_prompt_options *how,
               struct question *ret, struct phi3v_error *err)
{
    struct question q = {0};
    int rc = e->kind->ask(e, turns, n_turns, pictures, how, &q, err);
    if (!rc) rc = keep_images(turns, n_turns, &q, err);
    if (rc)
        question_fini(&q);
    else
        *ret = q;
    return rc;
}

void engine_expect(struct engine *e, const phi3v_prompt *prompt, int64_t held)
{
    size_t n;
    phi3v_prompt_ids(prompt, &n);
    forecast_begin(&e->forecast, &e->price, e->info, held, (int64_t)n, now_s());
}

int engine_answer(struct engine *e, const struct question *q, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err)
{
    int rc = e->kind->answer(e, q, how, on_event, user, ret, err);
    e->forecast.on = false;
    e->front->progress(e->front->user, NULL);
    if (!rc) engine_add_up(e, &ret->timing);
    return rc;
}

int engine_answer_all(struct engine *e, const struct queries *queries, const struct settings *how,
                      struct phi3v_error *err)
{
    int rc = e->kind->answer_all(e, queries, how, err);
    e->front->progress(e->front->user, NULL);
    return rc;
}

void engine_result_fini(const struct engine *e, struct phi3v_result *result)
{
    e->kind->result_fini(result);
}

int engine_at_once(const struct engine *e, const struct settings *how)
{
    return how->parallel > 0 ? how->parallel : e->info->answers_at_once;
}

void engine_forget(struct engine *e)
{
    if (e->session) phi3v_session_clear(e->session);
}

/* -- What only a model on this machine can do ------------------------------------------------- */

int engine_model(const struct engine *e, const char *wanted, phi3v_model **ret,
                 struct phi3v_error *err)
{
    if (!e->model)
        return refuse(err, PHI3V_E_UNSUPPORTED, "%s cannot be had of %s: :model opens one here",
                      wanted, e->info ? e->info->path : "a model that is not open");
    *ret = e->model;
    return 0;
}

int engine_plan(const struct engine *e, const phi3v_image *image, int num_crops,
                struct phi3v_image_plan *ret, struct phi3v_error *err)
{
    if (e->model) return phi3v_image_plan(e->model, image, num_crops, ret, err);
    *ret = (struct phi3v_image_plan){0};
    return 0;
}

void engine_add_up(struct engine *e, const struct phi3v_timing *t)
{
    if (e->model) price_learn(&e->price, e->info, t);
    e->total.vision_s += t->vision_s;
    e->total.prefill_s += t->prefill_s;
    e->total.decode_s += t->decode_s;
    e->total.prefill_tokens += t->prefill_tokens;
    e->total.cached_tokens += t->cached_tokens;
    e->total.decode_tokens += t->decode_tokens;
    e->total.vision_crops += t->vision_crops;
    e->n_answers++;
}
