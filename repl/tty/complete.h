/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tab: inserts what all candidates have in common; a second Tab lists them. */
#ifndef TTY_COMPLETE_H
#define TTY_COMPLETE_H

#include "tty/line.h"

/* Handles Tab for the text in readline's buffer; `list` shows the candidates. */
void complete_tab(const struct line_host *host, void (*list)(const struct line_candidates *found));
/* Writes the candidates in columns, as many as fit the screen. */
void complete_list(const struct line_candidates *c, FILE *out, const struct term_facts *facts);

#endif
