/* SPDX-License-Identifier: GPL-3.0-or-later
 * Ctrl-C as a flag that long work looks at; it never ends the program by itself once caught. */
#ifndef REPL_INTERRUPT_H
#define REPL_INTERRUPT_H

#include <stdbool.h>

#include "phi3v.h"

void interrupt_catch(void);     /* from now on SIGINT only sets the flag */
bool interrupt_requested(void); /* since the last interrupt_clear */
void interrupt_clear(void);
/* The session whose work SIGINT stops; NULL: none. */
void interrupt_session(phi3v_session *session);

#endif
