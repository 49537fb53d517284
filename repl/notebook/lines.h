/* SPDX-License-Identifier: MIT
 * The effect of a cell's command lines on it and the cells after it: settings, and which pictures
 * are staged. */
#ifndef NOTEBOOK_LINES_H
#define NOTEBOOK_LINES_H

#include "notebook/inherited.h"

/* Applies a line whose pictures are known; a line without effect (or with a value that a file may
 * not set) changes nothing. Errors: MEMORY. */
int line_apply(const struct line *line, struct inherited *s, struct phi3v_error *err);

/* The parts of "key value", "key=value": *ret_key and *ret_value are to be freed; the value is NULL
 * when there is none. Errors: MEMORY. */
int setting_words(const char *args, char **ret_key, char **ret_value, struct phi3v_error *err);

#endif
