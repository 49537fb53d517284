/* SPDX-License-Identifier: MIT
 * Answers side by side, each in its own session, that join and leave between two steps: the newest
 * rows of all of them are computed as one batch, so that the weights are read once for all. */
#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include "engine/session.h"

/* n_slots: the most jobs at once. Errors: MEMORY. */
int batch_new(struct phi3v_model *m, int n_slots, struct phi3v_batch **ret,
              struct phi3v_error *err);
/* Jobs that are still there end as if they were stopped. */
void batch_free(struct phi3v_batch *b);

struct phi3v_model *batch_model(const struct phi3v_batch *b);
/* A job takes a place, and ends at once where its answer cannot be begun. Returns false when there
 * is no place. Its strings in params stay the caller's. on_event may be NULL. */
bool batch_join(struct phi3v_batch *b, struct phi3v_job *job, const struct phi3v_params *params,
                phi3v_event_fn on_event, void *user);
int batch_n(const struct phi3v_batch *b);        /* jobs there */
bool batch_answers(const struct phi3v_batch *b); /* an answer grows */
bool batch_has_session(const struct phi3v_batch *b, const struct phi3v_session *s);

/* Pictures and prompt of the job that waits longest for it; `pause`: at most one picture or one
 * piece of the prompt. Returns false when none waits. */
bool batch_load(struct phi3v_batch *b, bool pause);
/* The first token of every job whose prompt has been read since. */
void batch_start_answers(struct phi3v_batch *b);
/* At least one token more, and at most n, for every job that answers. */
void batch_step(struct phi3v_batch *b, size_t n);
/* All of an answer that is the only one there. */
void batch_finish_last(struct phi3v_batch *b);

#endif
