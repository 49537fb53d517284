/* SPDX-License-Identifier: GPL-3.0-or-later
 * A table of an answer: rows of cells between bars, collected as they come, then shown in columns
 * that are as wide as what they hold, on the screen. Cells of a table that is too wide are wrapped. */
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
    GRID_LETTERS = 65536, /* of a table; one that is longer is shown in pieces */
    GRID_COLUMNS = 32     /* more stay as they were written */
};

struct grid {
    struct grid_letter *v; // lines as they came, '\n' at the end of each
    size_t n, cap;
    int n_lines;
};

/* A letter of a row, or its end ('\n'). False: there is no room; show it first. */
bool grid_add(struct grid *g, int32_t cp, int style);
/* Shows the lines and forgets them: as a table where the second one says it is one, else as they
 * are. room: as in markdown.h; NULL: as they are. */
void grid_show(struct grid *g, void (*put)(int32_t cp, int style, void *user),
               int (*room)(int columns, void *user), void *user);
void grid_free(struct grid *g);

#endif
