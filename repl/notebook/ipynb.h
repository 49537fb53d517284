/* SPDX-License-Identifier: GPL-3.0-or-later
 * Notebooks on disk: nbformat 4.5. What others wrote into the file is kept; what did not change is
 * written as it was. */
#ifndef REPL_IPYNB_H
#define REPL_IPYNB_H

#include "notebook/cells.h"

/* What a notebook says about the session besides its cells. */
struct ipynb_session {
    const char *system; // system turn, "" for none
    const char *model;  // name; NULL: leave what is there
};

/* The notebook as text; the caller frees. */
char *ipynb_text(const struct book *b, const struct ipynb_session *session);
int ipynb_write(const struct book *b, const struct ipynb_session *session, const char *path,
                struct phi3v_error *err);
/* Reads a notebook into an empty book; runs and loads nothing. *ret_system: its system turn, the
 * caller frees. name: for errors. Errors: IO, one sentence with the cell's place. */
int ipynb_parse(const char *text, size_t n, const char *name, struct book *b, char **ret_system,
                struct phi3v_error *err);

#endif
