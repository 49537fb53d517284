/* SPDX-License-Identifier: GPL-3.0-or-later
 * What of the things that were written is still on the screen. A stream in front of the terminal
 * counts the rows that all output takes, so that a picture need not be drawn again while it is in
 * sight. Rows are numbered from where the stream began. */
#ifndef TERM_SCREEN_H
#define TERM_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#include "term/term.h"

struct screen;

/* Writes to fd what is written to screen_stream(). facts: of the terminal, borrowed; NULL: nothing
 * is counted. NULL without memory. */
struct screen *screen_open(int fd, const struct term_facts *facts);
FILE *screen_stream(struct screen *s);
void screen_close(struct screen *s); /* NULL is harmless */

/* The row that the cursor is in. */
long screen_row(struct screen *s);
/* Whether a row that was written is still in sight, as far as is known. */
bool screen_shows(struct screen *s, long row);
/* Somebody else has written to the terminal: nothing that was there is known any more. */
void screen_lost(struct screen *s);

#endif
