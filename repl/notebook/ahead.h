/* SPDX-License-Identifier: MIT
 * Work ahead: while the person types, staged pictures are encoded and what of the next prompt is
 * fixed already is read, in the engine's session, on a thread of its own. It is never more than a
 * warm cache: an answer is the same with and without it. Before anything else uses the session,
 * ahead_stop() takes it back; what was finished by then stays. */
#ifndef NOTEBOOK_AHEAD_H
#define NOTEBOOK_AHEAD_H

#include "notebook/core.h"

/* NULL without memory or threads: then nothing is done ahead. */
struct ahead *ahead_new(struct engine *e);
void ahead_free(struct ahead *a); /* NULL is harmless, here and below */

/* Reads this prompt; takes it. An earlier one gives way. */
void ahead_read(struct ahead *a, phi3v_prompt *prompt);
/* Returns when the session is the caller's again, within a tenth of a second or so. */
void ahead_stop(struct ahead *a);
/* The same, but what is being read comes to its end first where the prompt begins with it: nothing
 * of it is lost then. on_event gets its progress, on this thread, at least every tenth of a second;
 * non-zero ends it: CANCELLED. */
int ahead_finish(struct ahead *a, const phi3v_prompt *prompt, phi3v_event_fn on_event, void *user);
/* The prompt was read to its end, or there is none. */
bool ahead_is_done(struct ahead *a);

#endif
