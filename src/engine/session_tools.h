/* SPDX-License-Identifier: MIT
 * What tests, `debug` and `bench` do with a session (phi3v_tools.h). */
#ifndef ENGINE_SESSION_TOOLS_H
#define ENGINE_SESSION_TOOLS_H

#include "engine/session.h"
#include "phi3v_tools.h"

/* Runs one fresh pass with tracing; afterwards the session holds the prompt. */
int session_trace(struct phi3v_session *s, const struct phi3v_prompt *prompt, struct task *task,
                  const struct trace *trace, struct phi3v_error *err);
/* Pretends to hold n times the token <s>, with pseudo-random keys and values. */
int session_fill(struct phi3v_session *s, int64_t n, struct phi3v_error *err);
/* Encodes n_crops pseudo-random crops. */
int session_bench_vision(struct phi3v_session *s, int n_crops, double *ret_seconds,
                         struct phi3v_error *err);
/* phi3v_bench_stages. */
void session_stages(struct phi3v_session *s, phi3v_stage_fn fn, void *user);

#endif
