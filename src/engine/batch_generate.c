/* SPDX-License-Identifier: MIT */
#include "engine/batch_generate.h"

#include "base/mem.h"
#include "engine/batch.h"

/* Adds the job's index to its events. */
struct listener {
    phi3v_job_event_fn on_event;
    void *user;
    int job;
};

static int tell(const struct phi3v_event *event, void *user)
{
    const struct listener *l = user;
    return l->on_event(event, l->job, l->user);
}

/* Prefills all prompts first, because a step costs about as much for one answer as for all. */
static void run(struct phi3v_batch *b)
{
    while (batch_load(b, false)) continue;
    batch_start_answers(b);
    while (batch_n(b) > 1) batch_step(b, SIZE_MAX);
    batch_finish_last(b);
}

int generate_many(struct phi3v_job *jobs, int n, const struct phi3v_params *params,
                  phi3v_job_event_fn on_event, void *user, struct phi3v_error *err)
{
    struct phi3v_batch *b;
    size_t n_bytes = (size_t)n * sizeof(struct listener);
    CLEANUP(mem_free_ptr) struct listener *listeners = mem_alloc(n_bytes);
    if (!listeners) return err_memory(err, "answers side by side", n_bytes);
    int rc = batch_new(jobs[0].session->model, n, &b, err);
    if (rc) return rc;
    for (int i = 0; i < n; i++) {
        listeners[i] = (struct listener){on_event, user, i};
        batch_join(b, job_at(jobs, i), params, on_event ? tell : NULL, &listeners[i]);
    }
    run(b);
    batch_free(b);
    return 0;
}
