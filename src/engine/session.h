/* SPDX-License-Identifier: MIT
 * A session: one token sequence with its KV cache. For each new prompt it computes only what
 * follows the first difference. The logits always equal those of one forward pass over the whole
 * sequence, with the rope factors for its length (fresh-run equality). */
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
    float *logits;           // [n_vocab] after the last position held
    int piece;               // rows computed at once, which is the most that a cancel loses
    struct prompt_row *rows; // [piece]
    int *all_rows;           // [piece]: 0, 1, 2, …
    atomic_int task_state;   // enum task_state
};

/* The features in use during prefill, by slot; NULL for a slot of which no row is computed. */
struct in_use {
    struct feature_cache *cache;
    struct feature_entry **entries; // [n]
    int n;
};

/* A prompt that is prefilled in parts. */
struct loading {
    struct in_use in_use;
    size_t extra; // tokens that will follow
};

int session_new(struct phi3v_model *m, struct phi3v_session **ret, struct phi3v_error *err);
void session_free(struct phi3v_session *s);

/* Prefills the prompt: encodes the pictures that are needed and not cached, computes what is not
 * held (always the last position) and leaves the logits after it in s->logits. Afterwards there is
 * room for `extra` more tokens, whose blocks are allocated as needed. With all_logits [n][n_vocab]
 * (may be NULL) everything is computed, for the logits of every position. After CANCELLED or an
 * error the pieces computed so far stay held. Errors: ARGUMENT (a prompt of another model),
 * TOO_LONG, MEMORY, CANCELLED. */
int session_load(struct phi3v_session *s, const struct phi3v_prompt *prompt, size_t extra,
                 float *all_logits, struct task *task, struct phi3v_error *err);
/* The same in parts, so that other sessions can step in between: _begin does everything up to the
 * prompt's rows, each further call computes one piece, until *ret_done. A failure of either, or
 * session_load_stop, ends the loading. */
int session_load_begin(struct phi3v_session *s, const struct phi3v_prompt *prompt, size_t extra,
                       struct task *task, struct loading *l, struct phi3v_error *err);
int session_load_piece(struct phi3v_session *s, struct loading *l, bool *ret_done,
                       struct task *task, struct phi3v_error *err);
void session_load_stop(struct phi3v_session *s, struct loading *l);
/* Appends n tokens in one pass; logits [n][n_vocab] get those after each. session_steps(s, n) must
 * hold, and n be at most s->piece. A failure leaves what was held. */
int session_push_rows(struct phi3v_session *s, const int32_t *ids, size_t n, float *logits,
                      struct task *task, struct phi3v_error *err);
/* Forgets the newest n tokens, whose place stays. */
void session_drop(struct phi3v_session *s, size_t n);
/* Appends id, then draws tokens and hands each to `on_id`: at least one, at most n, until on_id
 * returns non-zero. Crossing into the long rope factors recomputes the whole sequence. A device
 * that can draw does not wait for the host in between; whatever it computed after the last token
 * handed out is dropped. s->logits is undefined afterwards. Errors: MEMORY, DEVICE, CANCELLED. */
int session_decode(struct phi3v_session *s, int32_t id, size_t n, backend_id_fn on_id, void *user,
                   struct task *task, struct phi3v_error *err);
/* Whether the next n tokens take just a step each, because the rope factors stay the same. */
bool session_steps(const struct phi3v_session *s, size_t n);
/* Whether the device draws the tokens itself: it can, the caller asks for no log-probabilities, and
 * there is no constraint. It must be the same for all sessions of one step. */
bool session_draws_ahead(const struct phi3v_session *s);
/* How many sessions session_decode_batch takes at most. */
int session_batch_most(const struct phi3v_session *s);
/* session_decode for n sessions of one model at once: pushes ids[i] to s[i] and hands the tokens
 * drawn after it to on_id with i, for at least one step and at most n_steps. It ends after a step
 * in which on_id returned non-zero for any session. session_steps(s[i], 1) must hold for all. A
 * device that does not draw takes one step, needs logits ([n][n_vocab]) as scratch, and can be
 * stopped by the pulse. After a failure every session holds the rows of the ids it was handed. */
int session_decode_batch(struct phi3v_session *const *s, const int32_t *ids, int n, size_t n_steps,
                         float *logits, backend_id_fn on_id, void *user, const struct pulse *pulse,
                         struct phi3v_error *err);
/* How many positions of the prompt session_load would reuse. */
size_t session_common(const struct phi3v_session *s, const struct phi3v_prompt *prompt);
void session_clear(struct phi3v_session *s);
/* A new session that holds the same, or nearly the same: see kv_cache_fork. */
int session_fork(struct phi3v_session *s, struct phi3v_session **ret, struct phi3v_error *err);
/* After an answer: gives back the unused blocks, and publishes the full ones. */
void session_settle(struct phi3v_session *s);

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
