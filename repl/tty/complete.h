/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tab: what the candidates have in common goes into the line; a second Tab lists them. */
#ifndef TTY_COMPLETE_H
#define TTY_COMPLETE_H

#include "tty/line.h"

/* The Tab key, for the text in readline's buffer. */
void complete_tab(const struct line_host *host);

#endif
