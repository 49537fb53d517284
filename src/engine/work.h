/* SPDX-License-Identifier: MIT
 * One call's work: its events to the caller, its timing, and whether it should stop. */
#ifndef ENGINE_WORK_H
#define ENGINE_WORK_H

#include <stdatomic.h>
#include <stdbool.h>

#include "backend/backend.h"

/* Where a session stands; cancelling is a single exchange, so it is safe in a signal handler. */
enum work_state { WORK_IDLE, WORK_RUNNING, WORK_CANCELLED };

struct work {
    atomic_int *state; // of the session; enum work_state
    phi3v_event_fn on_event;
    void *user;
    bool refused; // a callback returned non-zero: it is not called again
    struct phi3v_timing timing;
    /* The stage: `done` so far, and the share of `total` that the running backend call stands for.
     */
    enum phi3v_stage stage;
    double stage_start_s;
    int64_t done, share, total;
    struct pulse pulse; // for backend calls
};

void work_begin(struct work *w, atomic_int *state, phi3v_event_fn on_event, void *user);
void work_end(struct work *w);
void work_cancel(atomic_int *state); /* does nothing unless running */
bool work_stopped(const struct work *w);

/* A stage begins: reports 0 of total. */
void work_stage(struct work *w, enum phi3v_stage stage, int64_t total);
/* The next backend call stands for `share` of the stage's total. */
void work_share(struct work *w, int64_t share);
/* That share is done: reports it. */
void work_done(struct work *w);
double work_stage_s(const struct work *w);
/* A token was chosen, so probable, among others. */
void work_token(struct work *w, int32_t id, float logprob, const struct phi3v_logprob *top,
                int n_top);
/* Text for the caller; newest: the id behind it. */
void work_text(struct work *w, const char *text, size_t n_bytes, int32_t newest);
int work_cancelled(struct phi3v_error *err); /* sets and returns CANCELLED */

#endif
