/* SPDX-License-Identifier: MIT
 * Progress on stderr, and Ctrl-C. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdbool.h>

#include "phi3v.h"

/* Makes Ctrl-C set a flag and cancel the session of progress_session (NULL: none). */
void progress_catch_interrupt(void);
void progress_session(phi3v_session *session);
bool progress_interrupted(void);

/* Writes a line. */
void progress_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* An event function that shows on a terminal the progress of stages longer than a second, and stops
 * the work after Ctrl-C. */
int progress_event(const struct phi3v_event *event, void *user);

#endif
