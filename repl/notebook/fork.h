/* SPDX-License-Identifier: MIT
 * A cell in the place of another: ":fork 2", ":fork 2@5", ":fork 2@5=TEXT" at its head. It is asked
 * in what that cell was asked in; with a token its answer begins as the other's does, up to that
 * token, in whose place TEXT may stand. */
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
    const char *text; // in place of the token, in quotes perhaps; NULL: the token itself
};

/* From what stands behind the command; text points into args. False: it is not that. */
bool fork_read(const char *args, struct fork *ret);
/* The same of a whole command line; false for those of other commands, too. */
bool fork_of_line(const char *line, struct fork *ret);
/* The line that says so, to be freed; NULL without memory. */
char *fork_line(const struct fork *f);

/* The lines of cell `of` for one in its place: all but where it stands itself. False without memory.
 */
bool fork_lines(const struct notebook *nb, int of, struct lines *to);

/* Whether cell i could stand there. Errors: ARGUMENT. */
int fork_check(const struct notebook *nb, int i, const struct fork *f, struct phi3v_error *err);
/* Cell i begins its answer as its lines say; *ret_n: with how many tokens. Errors: ARGUMENT,
 * MEMORY. */
int fork_begin(struct notebook *nb, int i, size_t *ret_n, struct phi3v_error *err);

#endif
