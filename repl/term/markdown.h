/* SPDX-License-Identifier: GPL-3.0-or-later
 * Styles an answer lightly as it comes: headings, lists, **bold**, *italic*, `code`, fenced blocks,
 * tables; all else passes unchanged. It works character by character, and holds back only a line's
 * marker, an italic until it is closed, and a table until its end. */
#ifndef TERM_MARKDOWN_H
#define TERM_MARKDOWN_H

#include <stdbool.h>
#include <stdint.h>

#include "term/grid.h"

#define MARKDOWN_MARKER 16 /* longest marker at a line's beginning, with its indentation */
#define MARKDOWN_HELD 240  /* longest text of an italic */

struct markdown {
    void (*put)(int32_t cp, int style, void *user); /* styles of layout.h */
    void (*indent)(int columns, void *user);        /* of the lines that continue this one */
    /* Begins a new line for a table, where it has `columns` if possible. Returns how many there
     * are. */
    int (*room)(int columns, void *user);
    void *user;
    int around;                                 /* style to add to all characters */
    struct grid_letter marker[MARKDOWN_MARKER]; /* the line so far, while it may be a marker */
    int n_marker;
    bool in_line;  /* past the marker */
    bool in_fence; /* between ``` lines */
    bool skipping; /* the rest of a ``` line */
    int style;     /* the line's: heading or literal */
    bool bold, italic;
    int code_ticks; /* length of the run of ` that began the code; 0: no code */
    int32_t run;    /* '*', '_' or '`' being counted; 0: none */
    int n_run;
    int32_t before; /* character before the run; ' ' at a line's beginning */
    /* Held text after a * or _ that may begin an italic */
    int32_t opened; /* that mark; 0: nothing is held */
    int n_opened;   /* how many: 1, or 3 for bold italic */
    struct grid_letter held[MARKDOWN_HELD];
    int n_held, n_close; /* n_close: marks at the end of held that may close it */
    bool held_code;      /* the held text ends inside `code` */
    bool no_italic;      /* held text is being replayed: hold nothing back */
    bool in_cell;        /* in a table's cell, where blanks are kept but marks still count */
    struct grid grid;    /* the table so far */
    bool in_row;         /* the line belongs to the table */
};

void markdown_init(struct markdown *m, void (*put)(int32_t, int, void *),
                   void (*indent)(int, void *), int (*room)(int, void *), void *user);
void markdown_put(struct markdown *m, int32_t cp); /* clean characters */
void markdown_end(struct markdown *m);             /* hands out what was held back */
void markdown_free(struct markdown *m);            /* drops what is held back */

/* Styles the letters of one line; `style` is added to all of them. */
void markdown_inline(const struct grid_letter *letters, size_t n, int style,
                     void (*put)(int32_t, int, void *), void *user);

#endif
