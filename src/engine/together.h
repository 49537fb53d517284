/* SPDX-License-Identifier: MIT
 * Several answers at once: each in its own session, their steps computed as one batch, so that the
 * weights are read once for all of them. */
#ifndef ENGINE_TOGETHER_H
#define ENGINE_TOGETHER_H

#include "engine/session.h"

/* As phi3v_generate_many. */
int generate_many(struct phi3v_job *jobs, int n, const struct phi3v_params *params,
                  phi3v_job_event_fn on_event, void *user, struct phi3v_error *err);

#endif
