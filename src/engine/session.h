/* SPDX-License-Identifier: MIT
 * A session: one token sequence with its keys and values, brought in line with each new prompt by
 * computing only what is behind the first difference. Whatever is done, the logits equal those of
 * one forward pass over the whole sequence, rope factors by its length included (fresh-run
 * equality). */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include "engine/kv_cache.h"
#include "engine/model.h"
#include "engine/prompt.h"
#include "engine/sample.h"
#include "engine/task.h"

struct phi3v_session {
    struct phi3v_model *model;
    struct backend_state *state;
    struct kv_cache kv;
    struct sampler *sampler;
    float *logits;           // [n_vocab], behind the last position held
    int piece;               // rows computed before they count as held: what a cancel can lose
    struct prompt_row *rows; // [piece]
    int *all_rows;           // [piece]: 0, 1, 2, …
    atomic_int task_state;   // enum task_state
};

/* The features in use while a prompt is read, by slot; NULL where no row of the slot is computed. */
struct in_use {
    struct feature_cache *cache;
    struct feature_entry **entries; // [n]
    int n;
};

/* A prompt that is read in parts. */
struct loading {
    struct in_use in_use;
    size_t extra; // tokens to follow
};

int session_new(struct phi3v_model *m, struct phi3v_session **ret, struct phi3v_error *err);
void session_free(struct phi3v_session *s);

/* Makes the session hold seq: encodes the pictures that are needed and not cached, computes what is
 * not held, at least the last position, and leaves its logits in s->logits. There is room for
 * `extra` more tokens afterwards (blocks for them are taken in steps). all_logits: NULL, or
 * [n][n_vocab] for every position, then everything is computed. On CANCELLED and errors whole
 * pieces computed so far stay held. Errors: ARGUMENT (another model's prompt), TOO_LONG, MEMORY,
 * CANCELLED. */
int session_load(struct phi3v_session *s, const struct phi3v_prompt *prompt, size_t extra,
                 float *all_logits, struct task *task, struct phi3v_error *err);
/* The same in parts, for a session that others' steps go on beside: everything up to the prompt's
 * rows, then a piece at a time until *ret_done. After a failure of either, or session_load_stop,
 * there is no loading any more. */
int session_load_begin(struct phi3v_session *s, const struct phi3v_prompt *prompt, size_t extra,
                       struct task *task, struct loading *l, struct phi3v_error *err);
int session_load_piece(struct phi3v_session *s, struct loading *l, bool *ret_done,
                       struct task *task, struct phi3v_error *err);
void session_load_stop(struct phi3v_session *s, struct loading *l);
/* One token more. Crossing into the long rope factors computes the whole sequence again. */
int session_push(struct phi3v_session *s, int32_t id, struct task *task, struct phi3v_error *err);
/* Pushes id, then draws tokens and hands each to `on_id`: at least one, at most n, until on_id
 * returns non-zero. A device that can draw does not wait for the host between them; what it computed
 * behind the last token handed out is thrown away. s->logits is undefined afterwards. Errors: as
 * session_push. */
int session_decode(struct phi3v_session *s, int32_t id, size_t n, backend_id_fn on_id, void *user,
                   struct task *task, struct phi3v_error *err);
/* The next token is one step: no rope factors change with it. */
bool session_steps(const struct phi3v_session *s);
/* Whether the device draws the tokens itself: it is able to, the caller wants nothing else of the
 * logits, and no constraint restricts them. All sessions of one step must give the same answer. */
bool session_draws_ahead(const struct phi3v_session *s);
/* How many sessions session_decode_batch takes. */
int session_batch_most(const struct phi3v_session *s);
/* session_decode for n sessions of one model at once: pushes ids[i] to s[i] and hands the tokens
 * drawn behind it to on_id with i, for at least one step and at most n_steps. It ends behind the step
 * in which on_id returned non-zero for any session. session_steps() must hold for all. A device that
 * does not draw takes one step, needs logits ([n][n_vocab]) as scratch, and may be stopped by the
 * pulse. After a failure every session holds the rows of the ids it was handed. */
int session_decode_batch(struct phi3v_session *const *s, const int32_t *ids, int n, size_t n_steps,
                         float *logits, backend_id_fn on_id, void *user, const struct pulse *pulse,
                         struct phi3v_error *err);
/* How many positions of the prompt session_load would not compute. */
size_t session_common(const struct phi3v_session *s, const struct phi3v_prompt *prompt);
/* Forgets what is held. */
void session_clear(struct phi3v_session *s);
/* Another session that holds the same, or nearly: see kv_cache_fork. */
int session_fork(struct phi3v_session *s, struct phi3v_session **ret, struct phi3v_error *err);
/* Behind an answer: gives back what was taken ahead, and publishes what is held. */
void session_settle(struct phi3v_session *s);

/* One fresh traced pass; afterwards the session holds the prompt. */
int session_trace(struct phi3v_session *s, const struct phi3v_prompt *prompt, struct task *task,
                  const struct trace *trace, struct phi3v_error *err);
/* Pretends to hold n tokens <s>, with pseudo-random keys and values. */
int session_fill(struct phi3v_session *s, int64_t n, struct phi3v_error *err);
/* Encodes n_crops pseudo-random crops. */
int session_bench_vision(struct phi3v_session *s, int n_crops, double *ret_seconds,
                         struct phi3v_error *err);
/* phi3v_bench_stages. */
void session_stages(struct phi3v_session *s, phi3v_stage_fn fn, void *user);

#endif
