/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tells a terminal about the text it shows: where prompts begin and answers end (OSC 133, so that
 * it can jump between them), which file a name stands for (OSC 8), and when to look (the bell).
 * Most terminals skip what they do not know; those that do not lack facts->knows_osc. */
#ifndef TERM_MARKS_H
#define TERM_MARKS_H

#include <stdbool.h>
#include <stdio.h>

#include "term/term.h"

enum mark {
    MARK_PROMPT, /* a prompt begins, in the first column */
    MARK_INPUT,  /* typed text begins */
    MARK_OUTPUT, /* the output of the line begins */
    MARK_DONE,   /* the output has ended */
    MARK_FAILED  /* the same after a failure */
};

/* Writes nothing when facts is NULL. */
void mark_write(const struct term_facts *facts, enum mark mark, FILE *out);

/* The address of an existing local file, "file://HOST/…", in which every byte is a letter, a digit
 * or one of -._~/%; the caller frees. NULL when there is no such file, or without memory. */
char *link_to(const char *path);
/* Put these around the text of a link, within one line. */
void link_begin(const char *address, FILE *out);
void link_end(FILE *out);

void bell_ring(const struct term_facts *facts, FILE *out);

#endif
