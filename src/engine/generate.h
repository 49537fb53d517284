/* SPDX-License-Identifier: MIT
 * The answer to a prompt: sample, show, stop, or compute the next token. */
#ifndef ENGINE_GENERATE_H
#define ENGINE_GENERATE_H

#include "engine/answer.h"

/* As phi3v_generate; ret_result may be NULL. */
int generate(struct phi3v_session *s, const struct phi3v_prompt *prompt,
             const struct phi3v_params *params, phi3v_event_fn on_event, void *user,
             struct phi3v_result *ret_result, struct phi3v_error *err);
/* Computes and shows at most n ids behind the turn's, until something ends the answer (turn->ends);
 * a->finish says what. */
int generate_rest(struct decode_loop *turn, size_t n);

#endif
