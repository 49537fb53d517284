/* SPDX-License-Identifier: MIT
 * Several answers at once: each in its own session, their steps computed as one batch, so that the
 * weights are read once for all of them. */
#ifndef ENGINE_BATCH_GENERATE_H
#define ENGINE_BATCH_GENERATE_H

#include "engine/session.h"

/* The i-th of an array of jobs, whose struct may be a newer caller's. */
static inline struct phi3v_job *job_at(struct phi3v_job *jobs, int i)
{
    return (struct phi3v_job *)((char *)jobs + (size_t)i * jobs->size);
}

/* As phi3v_generate_many. */
int generate_many(struct phi3v_job *jobs, int n, const struct phi3v_params *params,
                  phi3v_job_event_fn on_event, void *user, struct phi3v_error *err);

#endif
