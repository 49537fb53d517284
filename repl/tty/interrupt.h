/* SPDX-License-Identifier: GPL-3.0-or-later
 * Ctrl-C and Ctrl-Z set flags that long work checks; once caught they do nothing else. */
#ifndef TTY_INTERRUPT_H
#define TTY_INTERRUPT_H

#include <stdbool.h>

void interrupt_catch(void);     /* from now on SIGINT only sets the flag */
bool interrupt_requested(void); /* since the last interrupt_clear */
void interrupt_clear(void);
/* Whether Ctrl-C ends a blocking read, say of standard input. Off otherwise, because it would also
 * cut a write in two. */
void interrupt_ends_reads(bool ends);
/* Makes the handler of SIGINT call `stop` too, on any thread, so it must be async-signal-safe.
 * NULL: nothing. */
void interrupt_calls(void (*stop)(void *user), void *user);

void interrupt_catch_stop(void);     /* from now on SIGTSTP only sets a flag */
bool interrupt_stop_requested(void); /* since the last interrupt_stop */
/* Stops the program as if the signal had not been caught; returns after fg. */
void interrupt_stop(void);

#endif
