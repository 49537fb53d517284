/* SPDX-License-Identifier: MIT
 * Scripts: files of lines as they are typed, read cell by cell. */
#ifndef NOTEBOOK_SCRIPT_H
#define NOTEBOOK_SCRIPT_H

#include <stdbool.h>
#include <stdio.h>

struct phi3v_error;

/* Reads the next complete source, for nb_eval: commands on lines of their own, or a prompt of one
 * or more lines. first: nothing of the file was read yet; its "#!" line is skipped. Returns 1 with
 * *ret, which the caller frees, 0 at the end, or an error: IO, MEMORY, and those of
 * source_of_file. */
int script_next(FILE *f, bool first, char **ret, struct phi3v_error *err);

#endif
