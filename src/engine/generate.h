/* SPDX-License-Identifier: MIT
 * The decode loop of one answer: sample a token, show it, stop or compute the next logits. */
#ifndef ENGINE_GENERATE_H
#define ENGINE_GENERATE_H

#include "engine/answer.h"

/* As phi3v_generate; ret_result may be NULL. */
int generate(struct phi3v_session *s, const struct phi3v_prompt *prompt,
             const struct phi3v_params *params, phi3v_event_fn on_event, void *user,
             struct phi3v_result *ret_result, struct phi3v_error *err);
/* Decodes at most n more tokens, or until the answer ends (loop->ends; a->finish says why). */
int generate_rest(struct decode_loop *loop, size_t n);

#endif
