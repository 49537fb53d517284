/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook's progress as a line of the terminal. */
#ifndef TTY_SHOW_PROGRESS_H
#define TTY_SHOW_PROGRESS_H

#include "notebook/notebook.h"
#include "term/progress.h"

/* Draws what the notebook says, or takes the line away when p is NULL (no work is in progress). */
void show_progress(struct progress *line, const struct nb_progress *p);

#endif
