/* SPDX-License-Identifier: MIT
 * Several answers at once, over an engine/batch that no job joins later. */
#ifndef ENGINE_BATCH_GENERATE_H
#define ENGINE_BATCH_GENERATE_H

#include "engine/session.h"

/* The i-th job of an array. The caller's struct may be newer, and so larger, than ours. */
static inline struct phi3v_job *job_at(struct phi3v_job *jobs, int i)
{
    return (struct phi3v_job *)((char *)jobs + (size_t)i * jobs->size);
}

/* As phi3v_generate_many. */
int generate_many(struct phi3v_job *jobs, int n, const struct phi3v_params *params,
                  phi3v_job_event_fn on_event, void *user, struct phi3v_error *err);

#endif
