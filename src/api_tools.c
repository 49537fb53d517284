/* SPDX-License-Identifier: MIT
 * The functions of phi3v_tools.h, as api.c has those of phi3v.h. */
#include "phi3v_tools.h"

#include <string.h>

#include "api_arguments.h"
#include "base/mem.h"
#include "engine/health.h"
#include "engine/session_tools.h"
#include "weights/list.h"

/* -- What is on this machine ------------------------------------------------------------------- */

int phi3v_models(const char *const *models_dirs, phi3v_found_fn fn, void *user)
{
    return models_list(models_dirs, fn, user);
}

void phi3v_cpu_levels(phi3v_level_fn fn, void *user) { health_cpu_levels(fn, user); }
void phi3v_libraries(phi3v_library_fn fn, void *user) { health_libraries(fn, user); }

size_t phi3v_memory_available(void) { return mem_available_bytes(); }

int phi3v_model_health(const phi3v_model *model, struct phi3v_model_health *ret,
                       struct phi3v_error *err)
{
    REFUSE_NULL(model, err);
    REFUSE_NULL(ret, err);
    return health_of_model(model, ret, err);
}

/* -- Numbers ----------------------------------------------------------------------------------- */

int phi3v_model_tensors(const phi3v_model *model, phi3v_tensor_fn fn, void *user)
{
    size_t n = model->weights ? weights_count(model->weights) : 0;
    for (size_t i = 0; i < n; i++) {
        const struct tensor *t = weights_at(model->weights, i);
        int rc = fn(t->name, dtype_name(t->dtype), t->n_dims, t->shape, user);
        if (rc) return rc;
    }
    return 0;
}

int phi3v_logits(phi3v_session *session, const phi3v_prompt *prompt, int all,
                 phi3v_event_fn on_event, void *user, float **ret_logits, size_t *ret_rows,
                 struct phi3v_error *err)
{
    REFUSE_NULL(session, err);
    REFUSE_NULL(prompt, err);
    REFUSE_NULL(ret_logits, err);
    size_t rows = all ? prompt->seq.n : 1, n_vocab = (size_t)session->model->config.n_vocab;
    float *logits = mem_array(rows, n_vocab * sizeof *logits);
    if (!logits) return err_memory(err, "logits", rows * n_vocab * sizeof *logits);
    struct task task;
    task_begin(&task, &session->task_state, on_event, user);
    int rc = session_load(session, prompt, 0, all ? logits : NULL, &task, err);
    task_end(&task);
    if (rc) {
        mem_free(logits);
        return rc;
    }
    if (!all) memcpy(logits, session->logits, n_vocab * sizeof *logits);
    *ret_logits = logits;
    if (ret_rows) *ret_rows = rows;
    return 0;
}

int phi3v_activations(phi3v_session *session, const phi3v_prompt *prompt, phi3v_activation_fn fn,
                      void *user, struct phi3v_error *err)
{
    REFUSE_NULL(session, err);
    REFUSE_NULL(prompt, err);
    REFUSE_NULL(fn, err);
    struct trace trace = {.fn = fn, .user = user};
    struct task task;
    task_begin(&task, &session->task_state, NULL, NULL);
    int rc = session_trace(session, prompt, &task, &trace, err);
    task_end(&task);
    return rc;
}

int phi3v_sampling(const float *logits, int n_vocab, const int32_t *previous, size_t n_previous,
                   const struct phi3v_params *params, int32_t *ret_ids, float *ret_probs, int cap)
{
    struct phi3v_params p;
    struct sampler *s;
    int rc = api_read_params(&p, params, NULL);
    if (rc || !logits || n_vocab < 1 || cap < 0) return PHI3V_E_ARGUMENT;
    rc = sampler_new(n_vocab, &s, NULL);
    if (rc) return rc;
    sampler_start(s, &p);
    for (size_t i = 0; i < n_previous; i++) sampler_saw(s, previous[i]);
    int n = sampler_filter(s, logits);
    for (int i = 0; i < n && i < cap; i++) sampler_kept(s, i, &ret_ids[i], &ret_probs[i]);
    sampler_free(s);
    return n < 0 ? PHI3V_E_ARGUMENT : n;
}

void phi3v_session_alone(phi3v_session *session) { session->kv.alone = true; }

int phi3v_session_fill(phi3v_session *session, int64_t n, struct phi3v_error *err)
{
    REFUSE_NULL(session, err);
    return session_fill(session, n, err);
}

int phi3v_bench_vision(phi3v_session *session, int n_crops, double *ret_seconds,
                       struct phi3v_error *err)
{
    REFUSE_NULL(session, err);
    REFUSE_NULL(ret_seconds, err);
    return session_bench_vision(session, n_crops, ret_seconds, err);
}

void phi3v_bench_stages(phi3v_session *session, phi3v_stage_fn fn, void *user)
{
    session_stages(session, fn, user);
}
