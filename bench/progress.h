/* SPDX-License-Identifier: MIT
 * What is going on, on stderr, and Ctrl-C. */
#ifndef BENCH_PROGRESS_H
#define BENCH_PROGRESS_H

#include <stdbool.h>

#include "phi3v.h"

/* From here on Ctrl-C sets a flag, and cancels what progress_session names (NULL: nothing). */
void progress_catch_interrupt(void);
void progress_session(phi3v_session *session);
bool progress_interrupted(void);

/* A line saying what comes next. */
void progress_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* An event function that shows, on a terminal, how far a stage is that takes over a second, and
 * stops the work after Ctrl-C. */
int progress_event(const struct phi3v_event *event, void *user);

#endif
