/* SPDX-License-Identifier: GPL-3.0-or-later
 * Ctrl-C and Ctrl-Z as flags that long work looks at; caught, they do nothing by themselves. */
#ifndef TTY_INTERRUPT_H
#define TTY_INTERRUPT_H

#include <stdbool.h>

void interrupt_catch(void);     /* from now on SIGINT only sets the flag */
bool interrupt_requested(void); /* since the last interrupt_clear */
void interrupt_clear(void);
/* Whether Ctrl-C ends a read that waits, as of standard input. Not otherwise: it would end a write,
 * too, which would be cut in two. */
void interrupt_ends_reads(bool ends);
/* What SIGINT does besides, from the handler and on any thread: `stop` must be safe there. NULL:
 * nothing. */
void interrupt_calls(void (*stop)(void *user), void *user);

void interrupt_catch_stop(void);     /* from now on SIGTSTP only sets a flag */
bool interrupt_stop_requested(void); /* since the last interrupt_stop */
/* The stop as if nobody had caught the signal; comes back with fg. */
void interrupt_stop(void);

#endif
