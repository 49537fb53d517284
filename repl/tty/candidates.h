/* SPDX-License-Identifier: GPL-3.0-or-later
 * What Tab can complete the word before the cursor to: what the notebook offers, and the files and
 * models of this machine. */
#ifndef TTY_CANDIDATES_H
#define TTY_CANDIDATES_H

#include "notebook/notebook.h"
#include "tty/line.h"

/* Calls fn for every model that has a name. */
typedef void (*each_model_fn)(void (*fn)(const char *name, const char *path, void *user),
                              void *user);

/* each_model may be NULL. */
void candidates_find(struct notebook *nb, each_model_fn each_model, const char *text, size_t cursor,
                     struct line_candidates *ret);

#endif
