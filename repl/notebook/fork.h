/* SPDX-License-Identifier: MIT
 * A cell that replaces another: ":fork 2", ":fork 2@5" or ":fork 2@5=TEXT" at its head. It is asked
 * in the same context as the other cell; with a token, its answer begins as the other's does up to
 * that token, which TEXT may replace. */
#ifndef NOTEBOOK_FORK_H
#define NOTEBOOK_FORK_H

#include <stdbool.h>
#include <stddef.h>

#include "common/text.h"

struct notebook;
struct lines;
struct phi3v_error;

struct fork {
    int cell;         // number
    size_t token;     // of its answer, from 1; 0: the answer is all new
    const char *text; // in place of the token, perhaps in quotes; NULL: the token itself
};

/* Reads a command's arguments; text points into args. False when they have another form. */
bool fork_read(const char *args, struct fork *ret);
/* The same for a whole command line; also false for other commands. */
bool fork_of_line(const char *line, struct fork *ret);
/* The last of the lines that is one, which counts. */
bool fork_of_lines(const struct lines *lines, struct fork *ret);
/* The command line for it, to be freed; NULL without memory. */
char *fork_line(const struct fork *f);

/* The lines that a cell replacing `of` gets: all but its :fork lines. False without memory. */
bool fork_lines(const struct notebook *nb, int of, struct lines *to);

/* Checks that cell i could be such a cell. Errors: ARGUMENT. */
int fork_check(const struct notebook *nb, int i, const struct fork *f, struct phi3v_error *err);

#endif
