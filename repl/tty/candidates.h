/* SPDX-License-Identifier: GPL-3.0-or-later
 * What Tab can put in the place of the word before the cursor: commands, settings and their values,
 * models, pictures, files. */
#ifndef TTY_CANDIDATES_H
#define TTY_CANDIDATES_H

#include "notebook/repl.h"
#include "tty/line.h"

/* Fits line_host.candidates; user is the struct repl. */
void candidates_find(void *user, const char *text, size_t cursor, struct line_candidates *ret);

#endif
