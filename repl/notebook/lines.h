/* SPDX-License-Identifier: MIT
 * What the command lines of a cell leave for it and for the cells behind it: settings, and which
 * pictures are staged. */
#ifndef NOTEBOOK_LINES_H
#define NOTEBOOK_LINES_H

#include "notebook/inherited.h"

/* The one effect of a line, once its pictures are known; a line that has none (or a value that a
 * file may not set) changes nothing. Errors: MEMORY. */
int line_apply(const struct line *line, struct inherited *s, struct phi3v_error *err);

/* The parts of "key value", "key=value": *ret_key and *ret_value are to be freed; the value is NULL
 * when there is none. Errors: MEMORY. */
int setting_words(const char *args, char **ret_key, char **ret_value, struct phi3v_error *err);
/* What `:system ARGS` means: the turn, "" for none. NULL without memory. */
char *system_turn(const char *args);

#endif
