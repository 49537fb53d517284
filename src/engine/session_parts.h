/* SPDX-License-Identifier: MIT
 * What the files of a session share: the steps that loading, decoding and tracing are made of. */
#ifndef ENGINE_SESSION_PARTS_H
#define ENGINE_SESSION_PARTS_H

#include "engine/session.h"

/* Whether the prompt is of this model, its weights are still whole, and it leaves room for a token
 * if `extra` is not 0. Errors: ARGUMENT, MODEL, TOO_LONG. */
int session_check_prompt(const struct phi3v_session *s, const struct phi3v_prompt *prompt,
                         size_t extra, struct phi3v_error *err);
/* Makes a copy of the prompt's sequence the session's, and start (taken on success) what is held of
 * it. After a failure nothing that is held is lost. Error: MEMORY. */
int session_adopt(struct phi3v_session *s, const struct sequence *prompt, size_t extra,
                  struct kv_cache_start *start, struct phi3v_error *err);
/* Reserves a place for the keys and values of n more rows. Error: MEMORY. */
int session_reserve_rows(struct kv_cache *kv, size_t n, struct phi3v_error *err);
/* rows[0 … n) describe positions from … from+n-1 of the session's sequence. */
void session_fill_rows(const struct phi3v_session *s, struct prompt_row *rows, size_t from,
                       size_t n, const struct in_use *u);
/* Computes the rows held … held+n-1. The logits of the last one, or of all that all_rows lists, go
 * to `logits` (NULL: none). */
int session_forward(struct phi3v_session *s, const struct prompt_row *rows, int n,
                    const int *all_rows, float *logits, struct task *task,
                    const struct trace *trace, struct phi3v_error *err);
/* Computes the whole sequence again with the rope factors for its present length, reported as a
 * stage within the present one. */
int session_recompute(struct phi3v_session *s, struct task *task, struct phi3v_error *err);

#endif
