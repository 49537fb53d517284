/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tracks what is still on the screen, so that a picture in sight need not be drawn again. All
 * output goes through a stream that counts the rows it takes. Rows are numbered from where it
 * began. */
#ifndef TERM_SCREEN_H
#define TERM_SCREEN_H

#include <stdbool.h>
#include <stdio.h>

#include "term/term.h"

struct screen;

/* What is written to screen_stream() goes to fd. facts are borrowed; when NULL, nothing is counted.
 * Returns NULL without memory. */
struct screen *screen_open(int fd, const struct term_facts *facts);
FILE *screen_stream(struct screen *s);
void screen_close(struct screen *s); /* NULL is harmless */

/* The row that the cursor is in. */
long screen_row(struct screen *s);
/* Whether a row that was written is still in sight. */
bool screen_shows(struct screen *s, long row);
/* Somebody else has written to the terminal, so no earlier row counts as in sight. */
void screen_lost(struct screen *s);

#endif
