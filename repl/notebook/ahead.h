/* SPDX-License-Identifier: MIT
 * Work done while the person types: staged pictures are encoded and the part of the next prompt
 * that is already known is prefilled in the engine's session, on a separate thread. This only warms
 * the cache: answers are the same with and without it. ahead_stop() takes the session back before
 * anything else uses it; what was finished by then is kept. */
#ifndef NOTEBOOK_AHEAD_H
#define NOTEBOOK_AHEAD_H

#include "notebook/core.h"

/* Returns NULL without memory or threads; then nothing is done ahead. */
struct ahead *ahead_new(struct engine *e);
void ahead_free(struct ahead *a); /* NULL is allowed, here and below */

/* Prefills this prompt, in place of an earlier one. Takes ownership of it. */
void ahead_read(struct ahead *a, phi3v_prompt *prompt);
/* Returns when the session is the caller's again, within about a tenth of a second. */
void ahead_stop(struct ahead *a);
/* The same, but a prefill in progress is finished first if the prompt begins with all its pictures
 * and most of its tokens, so that none of it is lost. on_event gets its progress on this thread, at
 * least every tenth of a second; when it returns non-zero, the result is CANCELLED. */
int ahead_finish(struct ahead *a, const phi3v_prompt *prompt, phi3v_event_fn on_event, void *user);
/* Whether the prompt has been prefilled completely, or there is none. */
bool ahead_is_done(struct ahead *a);

#endif
