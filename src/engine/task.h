/* SPDX-License-Identifier: MIT
 * One call of the library: its events, its timing, and whether it should stop. */
#ifndef ENGINE_TASK_H
#define ENGINE_TASK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "backend/backend.h"

/* A session's state. Cancelling is one atomic exchange, so it is safe in a signal handler. */
enum task_state { TASK_IDLE, TASK_RUNNING, TASK_CANCELLED };

struct task {
    atomic_int *state; // of the session; enum task_state
    phi3v_event_fn on_event;
    void *user;
    bool refused; // the callback returned non-zero, and is not called again
    struct phi3v_timing timing;
    /* The stage: what is `done` of `total`, and the share of the running backend call. */
    enum phi3v_stage stage;
    double stage_start_s;
    int64_t done, share, total;
    struct pulse pulse; // for backend calls
};

void task_begin(struct task *task, atomic_int *state, phi3v_event_fn on_event, void *user);
void task_end(struct task *task);
void task_cancel(atomic_int *state); /* does nothing unless a task is running */
bool task_stopped(const struct task *task);

/* Begins a stage and reports 0 of total. */
void task_stage(struct task *task, enum phi3v_stage stage, int64_t total);
/* Says that the next backend call does `share` of the stage's total. */
void task_share(struct task *task, int64_t share);
/* Reports that share as done. */
void task_done(struct task *task);
double task_stage_s(const struct task *task);
/* Reports a chosen token, its log-probability, and the most probable tokens in its place. */
void task_token(struct task *task, int32_t id, float logprob, const struct phi3v_logprob *top,
                int n_top);
/* Reports text; newest is the last id it comes from. */
void task_text(struct task *task, const char *text, size_t n_bytes, int32_t newest);
int task_cancelled(struct phi3v_error *err); /* sets and returns CANCELLED */

#endif
