/* SPDX-License-Identifier: GPL-3.0-or-later
 * Draws the text being edited at the bottom of the terminal: the prompt, aligned lines, the cursor.
 * It writes only what has changed and shows only what fits the screen around the cursor, so a text
 * of any size costs the same.
 *
 * What it writes is safe: control characters show as ^X, invisible characters and those that change
 * the direction of writing as <U+202E>, in reverse video; invalid UTF-8 shows as U+FFFD. */
#ifndef TERM_VIEW_H
#define TERM_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "term/term.h"

struct view_text {
    const char *prompt;
    bool is_message;         /* the prompt is the editor's ("(reverse-i-search)"), not ours */
    size_t dim_from, dim_to; /* bytes of our prompt to draw dim */
    const char *text;
    size_t n, point; /* point: the byte that the cursor is at */
};

struct view;

/* Without memory the program ends. facts are those of the terminal; NULL means a dumb one, which
 * shows a single row. */
struct view *view_new(FILE *out, const struct term_facts *facts);
void view_free(struct view *v);
/* Draws the text. The first time it begins in the cursor's line, which must be empty. */
void view_draw(struct view *v, const struct view_text *t);
/* Draws it once more, leaves it on the screen and goes below. */
void view_leave(struct view *v, const struct view_text *t);
/* The same for a text that was sent. */
void view_send(struct view *v, const struct view_text *t);
/* Erases the text; the cursor is where it began. Rows that a smaller screen has lost stay. */
void view_erase(struct view *v);
/* Somebody else has cleared the screen. */
void view_forget(struct view *v);

#endif
