/* SPDX-License-Identifier: GPL-3.0-or-later
 * A Markdown table in an answer: collects rows of cells between bars as they come, then shows them
 * in aligned columns. When the table is too wide, its cells are wrapped. */
#ifndef TERM_GRID_H
#define TERM_GRID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct grid_letter {
    int32_t cp;
    int style;
};

enum {
    GRID_LETTERS = 65536, /* a longer table is shown in pieces */
    GRID_COLUMNS = 32     /* a table with more is shown as it was written */
};

struct grid {
    struct grid_letter *v; // the lines so far, each ending in '\n'
    size_t n, cap;
    int n_lines;
};

/* Adds a letter of a row, or its end ('\n'). False when it is full: call grid_show first. */
bool grid_add(struct grid *g, int32_t cp, int style);
/* Shows the lines and forgets them: as a table if the second line marks one, else as they are. room
 * is as in markdown.h; when NULL, the lines are shown as they are. */
void grid_show(struct grid *g, void (*put)(int32_t cp, int style, void *user),
               int (*room)(int columns, void *user), void *user);
void grid_free(struct grid *g);

#endif
