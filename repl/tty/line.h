/* SPDX-License-Identifier: GPL-3.0-or-later
 * The line editor: readline through its callback interface, cells of many lines, our own history
 * file, completion. */
#ifndef REPL_LINE_H
#define REPL_LINE_H

#include "notebook/repl.h"

/* One at a time. The terminal of r must be open. */
struct line *line_new(struct repl *r);
void line_free(struct line *l);
/* Reads one cell. preset: text to begin with, or NULL. NULL at the end of input (Ctrl-D on an empty
 * line). Ctrl-C empties the line; *ret_cancelled tells that it did so to a preset. The caller
 * frees. */
char *line_read(struct line *l, const char *prompt, const char *preset, bool *ret_cancelled);
/* While an answer streams: does what Ctrl-Z asked for; true after coming back, when the screen
 * shows other things. */
bool line_stop_answering(struct repl *r);
/* Adds to the list and to the file. */
void line_remember(struct line *l, const char *entry);

#endif
