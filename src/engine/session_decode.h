/* SPDX-License-Identifier: MIT
 * The tokens after a prompt: a session's next steps, alone or together with other sessions, drawn by
 * the host or by the device. The sessions hold all of their sequences (kv.held == kv.seq.n). */
#ifndef ENGINE_SESSION_DECODE_H
#define ENGINE_SESSION_DECODE_H

#include "engine/session.h"

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

#endif
