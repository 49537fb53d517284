/* SPDX-License-Identifier: GPL-3.0-or-later
 * Text that is being edited, at the bottom of the terminal: the prompt, lines below it aligned with
 * its first, the cursor. Only what has changed is written. No more than fits the screen is shown,
 * around the cursor, so that a text of any size costs the same.
 *
 * Whatever stands in the text, what is written is safe: control characters show as ^X, what is
 * invisible or turns the direction of writing as <U+202E>, in reverse video; bytes that are no
 * UTF-8 as U+FFFD. */
#ifndef TERM_VIEW_H
#define TERM_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "term/term.h"

struct view_text {
    const char *prompt;
    bool is_message; /* the prompt is one of the editor's ("(reverse-i-search)"), not ours */
    size_t dim_from, dim_to; /* bytes of the prompt, if it is ours */
    const char *text;
    size_t n, point; /* the cursor stands before this byte */
};

struct view;

/* Without memory the program ends. facts: of the terminal that shows `out`; NULL: nothing is known
 * of it, as of a dumb one, which shows one line. */
struct view *view_new(FILE *out, const struct term_facts *facts);
void view_free(struct view *v);
/* The first time: from the cursor's line on, which must be empty. */
void view_draw(struct view *v, const struct view_text *t);
/* Draws once more and goes below: the text stays on the screen. */
void view_leave(struct view *v, const struct view_text *t);
/* The same of a text that is sent. */
void view_send(struct view *v, const struct view_text *t);
/* Takes it off the screen; the cursor is where it began. Rows beyond a screen that has become
 * smaller are left. */
void view_erase(struct view *v);
/* Somebody else has cleared the screen. */
void view_forget(struct view *v);

#endif
