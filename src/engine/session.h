/* SPDX-License-Identifier: MIT
 * A session: one token sequence with its KV cache. For each new prompt it computes only what
 * follows the first difference. The logits always equal those of one forward pass over the whole
 * sequence, with the rope factors for its length (fresh-run equality). */
#ifndef ENGINE_SESSION_H
#define ENGINE_SESSION_H

#include "engine/in_use.h"
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
/* How many positions of the prompt session_load would reuse. */
size_t session_common(const struct phi3v_session *s, const struct phi3v_prompt *prompt);
void session_clear(struct phi3v_session *s);
/* A new session that holds the same, or nearly the same: see kv_cache_fork. */
int session_fork(struct phi3v_session *s, struct phi3v_session **ret, struct phi3v_error *err);
/* After an answer: gives back the unused blocks, and publishes the full ones. */
void session_settle(struct phi3v_session *s);

#endif
