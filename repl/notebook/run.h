/* SPDX-License-Identifier: MIT
 * Running cells: from a prompt to a stored answer. On errors the cells are unchanged. The functions
 * return 0, an error code, or 1 when the answer was interrupted and the part so far kept. */
#ifndef NOTEBOOK_RUN_H
#define NOTEBOOK_RUN_H

#include "notebook/core.h"

/* Runs a new cell, which takes the pending lines. */
int run_new(struct notebook *nb, const char *prompt, enum nb_origin origin,
            struct phi3v_error *err);
/* Runs a new cell that replaces cell `of`, with its lines, its prompt and the :fork line. */
int run_fork(struct notebook *nb, int of, const char *line, enum nb_origin origin,
             struct phi3v_error *err);
/* Runs cell i again, expanding its source anew. pairs: "key=value" settings for this run. */
int run_again(struct notebook *nb, int i, const struct strings *pairs, struct phi3v_error *err);
/* Runs cell i with another prompt, and with more lines (taken) after its own. */
int run_edited(struct notebook *nb, int i, const char *prompt, enum nb_origin origin,
               struct lines *more, struct phi3v_error *err);
/* Runs cell i with another prompt and other lines (taken), whose pictures are not known yet. */
int run_replaced(struct notebook *nb, int i, const char *prompt, enum nb_origin origin,
                 struct lines *lines, struct phi3v_error *err);
/* Continues the answer of cell i. */
int run_more(struct notebook *nb, int i, struct phi3v_error *err);

/* Reports in one line what has changed in a short answer; without memory, nothing. */
void run_tell_changes(struct notebook *nb, const char *before, const char *after);

/* Reports which cells below cell i are stale now, if any: "cells 3-5 are stale now: …". */
void run_tell_stale(struct notebook *nb, int i);

#endif
