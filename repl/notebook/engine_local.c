/* SPDX-License-Identifier: MIT
 * The engine that is a model on this machine. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "notebook/certainty.h"
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

static int answer(struct engine *e, const struct question *q, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err)
{
    struct phi3v_params params;
    const char **stop = NULL;
    int rc = params_of(e, how, &params, &stop, err);
    if (rc) return rc;
    *ret = (struct phi3v_result){.size = sizeof *ret};
    if (!e->forecast.on) engine_expect(e, q->prompt, phi3v_session_common(e->session, q->prompt));
    atomic_store(&e->working, e->session);
    rc = phi3v_generate(e->session, q->prompt, &params, on_event, user, ret, err);
    atomic_store(&e->working, NULL);
    free(stop);
    return rc;
}

/* -- Several ---------------------------------------------------------------------------------- */

/* Sessions side by side, each with a question. */
struct batch {
    const struct tasks *tasks;
    phi3v_session **sessions;
    struct phi3v_job *jobs;
    struct task **of; // of the jobs
    int n, n_used;
};

/* As many sessions as memory is there for. */
static int batch_init(struct batch *b, struct engine *e, int n, struct phi3v_error *err)
{
    unsigned before = memory_failures();
    b->sessions = memory_zero((size_t)n, sizeof(phi3v_session *));
    b->jobs = memory_zero((size_t)n, sizeof *b->jobs);
    b->of = memory_zero((size_t)n, sizeof(struct task *));
    int rc = memory_failures() == before ? 0 : memory_error(err);
    while (b->n < n && !rc) {
        rc = phi3v_session_new(e->model, &b->sessions[b->n], err);
        b->n += rc == 0;
    }
    return b->n > 0 ? 0 : rc;
}

static void batch_fini(struct batch *b)
{
    for (int k = 0; k < b->n; k++) phi3v_session_free(b->sessions[k]);
    free(b->sessions);
    free(b->jobs);
    free(b->of);
}

static void batch_fill(struct batch *b)
{
    struct task *task;
    b->n_used = 0;
    while (b->n_used < b->n && (task = b->tasks->next(b->tasks->user))) {
        task->result = (struct phi3v_result){.size = sizeof task->result};
        b->of[b->n_used] = task;
        b->jobs[b->n_used] = (struct phi3v_job){.size = sizeof *b->jobs,
                                                .session = b->sessions[b->n_used],
                                                .prompt = task->question->prompt,
                                                .result = &task->result};
        b->n_used++;
    }
}

static int on_event(const struct phi3v_event *event, int job, void *user)
{
    struct batch *b = user;
    struct task *task = b->of[job];
    if (event->type == PHI3V_EVENT_END) {
        task->code = b->jobs[job].code;
        task->error = b->jobs[job].error;
        task->result.timing.decode_s /= b->n_used; // side by side
    }
    return b->tasks->on_event(event, task, b->tasks->user);
}

static int answer_all(struct engine *e, const struct tasks *tasks, const struct settings *how,
                      struct phi3v_error *err)
{
    struct phi3v_params params;
    const char **stop = NULL;
    struct batch b = {.tasks = tasks};
    int rc = params_of(e, how, &params, &stop, err);
    if (!rc) rc = batch_init(&b, e, engine_at_once(e, how), err);
    while (!rc) {
        batch_fill(&b);
        if (!b.n_used || engine_stopped(e)) break;
        atomic_store(&e->working, b.sessions[0]);
        rc = phi3v_generate_many(b.jobs, b.n_used, &params, on_event, &b, err);
        atomic_store(&e->working, NULL);
    }
    batch_fini(&b);
    free(stop);
    return rc;
}

static const struct engine_kind local = {.ask = ask,
                                         .answer = answer,
                                         .answer_all = answer_all,
                                         .result_fini = phi3v_result_fini,
                                         .close = close_model};
