/* SPDX-License-Identifier: MIT
 * Running cells: from a prompt to a kept answer. Errors leave the cells as they were. Returns 0, an
 * error code, or 1 when the answer was interrupted and its part kept. */
#ifndef NOTEBOOK_RUN_H
#define NOTEBOOK_RUN_H

#include "notebook/core.h"

/* A new cell: the pending lines become its own. */
int run_new(struct notebook *nb, const char *prompt, enum nb_origin origin,
            struct phi3v_error *err);
/* A new cell in the place of cell `of`, with its lines, its prompt and the :fork line. */
int run_fork(struct notebook *nb, int of, const char *line, enum nb_origin origin,
             struct phi3v_error *err);
/* Runs cell i again, its source expanded anew. pairs: "key=value" settings of this run. */
int run_again(struct notebook *nb, int i, const struct strings *pairs, struct phi3v_error *err);
/* Cell i with another prompt, and further lines (taken) behind those it has. */
int run_edited(struct notebook *nb, int i, const char *prompt, enum nb_origin origin,
               struct lines *more, struct phi3v_error *err);
/* Cell i with another prompt and other lines (taken), whose pictures are not known yet. */
int run_replaced(struct notebook *nb, int i, const char *prompt, enum nb_origin origin,
                 struct lines *lines, struct phi3v_error *err);
/* Continues the answer of cell i. */
int run_more(struct notebook *nb, int i, struct phi3v_error *err);

/* Tells in one line what has changed in a short answer; without memory, nothing. */
void run_tell_changes(struct notebook *nb, const char *before, const char *after);

/* Tells which cells below cell i are stale now, if any: "cells 3-5 are stale now: …". */
void run_tell_stale(struct notebook *nb, int i);

#endif
