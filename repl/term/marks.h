/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a terminal is told about the text it shows: where prompts begin and answers end (OSC 133, so
 * that it can jump between them), which file a name stands for (OSC 8), and that it is time to look
 * (the bell). Terminals that do not know these skip them; others are spared by facts->knows_osc. */
#ifndef TERM_MARKS_H
#define TERM_MARKS_H

#include <stdbool.h>
#include <stdio.h>

#include "term/term.h"

enum mark {
    MARK_PROMPT, /* in the first column: a prompt begins */
    MARK_INPUT,  /* what follows was typed */
    MARK_OUTPUT, /* the line was sent, this is what comes of it … */
    MARK_DONE,   /* … which is over */
    MARK_FAILED  /* the same, and it failed */
};

/* facts may be NULL: nothing is written. */
void mark_write(const struct term_facts *facts, enum mark mark, FILE *out);

/* The address of an existing file of this machine, "file://HOST/…", every byte of which is a letter,
 * a digit, or one of -._~/%; to be freed. NULL: there is no such file, or no memory. */
char *link_to(const char *path);
/* Around the text of a link, within one line. */
void link_begin(const char *address, FILE *out);
void link_end(FILE *out);

void bell_ring(const struct term_facts *facts, FILE *out);

#endif
