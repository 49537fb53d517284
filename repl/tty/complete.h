/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tab: what the candidates have in common goes into the line; a second Tab lists them. */
#ifndef TTY_COMPLETE_H
#define TTY_COMPLETE_H

#include "tty/line.h"

/* The Tab key, for the text in readline's buffer; `list` shows what there is to choose from. */
void complete_tab(const struct line_host *host, void (*list)(const struct line_candidates *found));
/* The candidates in columns, as many as fit the screen. */
void complete_list(const struct line_candidates *c, FILE *out, const struct term_facts *facts);

#endif
