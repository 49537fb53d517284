/* SPDX-License-Identifier: MIT
 * Continuous batching: answers join and leave between steps, each in its own session. A step
 * computes the newest row of every answer as one batch, so the weights are read once for all. */
#ifndef ENGINE_BATCH_H
#define ENGINE_BATCH_H

#include "engine/session.h"

/* n_slots is the maximum number of jobs at once. Errors: MEMORY. */
int batch_new(struct phi3v_model *m, int n_slots, struct phi3v_batch **ret,
              struct phi3v_error *err);
/* Remaining jobs end as if they had been stopped. */
void batch_free(struct phi3v_batch *b);

struct phi3v_model *batch_model(const struct phi3v_batch *b);
/* Puts a job into a free slot; it ends at once if its answer cannot start. Returns false when no
 * slot is free. Strings in params are borrowed. on_event may be NULL. */
bool batch_join(struct phi3v_batch *b, struct phi3v_job *job, const struct phi3v_params *params,
                phi3v_event_fn on_event, void *user);
int batch_n(const struct phi3v_batch *b);        /* jobs in the batch */
bool batch_answers(const struct phi3v_batch *b); /* some job is past its prompt */
bool batch_has_session(const struct phi3v_batch *b, const struct phi3v_session *s);

/* Encodes the pictures and prefills the prompt of the job that has waited longest. With `pause` it
 * does at most one picture or one piece of the prompt. Returns false when no job waits. */
bool batch_load(struct phi3v_batch *b, bool pause);
/* Picks the first token of every job whose prefill is complete. */
void batch_start_answers(struct phi3v_batch *b);
/* Decodes between 1 and n tokens for every job that answers. */
void batch_step(struct phi3v_batch *b, size_t n);
/* Runs the only job in the batch to its end. */
void batch_finish_last(struct phi3v_batch *b);

#endif
