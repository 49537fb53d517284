/* SPDX-License-Identifier: GPL-3.0-or-later
 * Runs programs that take over the terminal for a while: an editor, a shell command. */
#ifndef TTY_CHILD_H
#define TTY_CHILD_H

#include "term/term.h"

/* Runs a shell command in the terminal's original mode, with its own Ctrl-C and Ctrl-Z; then the
 * cursor is at the beginning of a line. Returns what system() does. */
int child_run(struct term *t, const char *command);

#endif
