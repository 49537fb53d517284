/* SPDX-License-Identifier: MIT
 * The beginning of an answer that is given, so that the model goes on from there: ":say TEXT" at
 * the head of a cell, or ":fork n@TOKEN", the beginning of another cell's answer, which counts
 * more. */
#ifndef NOTEBOOK_BEGIN_H
#define NOTEBOOK_BEGIN_H

#include <stddef.h>

struct notebook;
struct phi3v_error;

/* Begins the answer of cell i as its lines say, with *ret_n tokens; 0: they say nothing. Errors:
 * ARGUMENT, UNSUPPORTED (the answers come from a server), MEMORY. */
int answer_begin(struct notebook *nb, int i, size_t *ret_n, struct phi3v_error *err);

#endif
