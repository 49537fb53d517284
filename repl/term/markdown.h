/* SPDX-License-Identifier: GPL-3.0-or-later
 * Light styling of an answer as it comes: headings, lists, **bold**, *italic*, `code`, fenced
 * blocks, tables; all else passes as it is. It works character by character. What is held back is a
 * line's marker, the text of an italic until it is closed, and a table until its end. */
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
    /* A table of so many columns is about to come: a fresh line for it, where there is room for
     * them if there is. Returns the columns there are. */
    int (*room)(int columns, void *user);
    void *user;
    int around; /* style of the characters that come, whatever they are */
    struct grid_letter marker[MARKDOWN_MARKER]; /* the line so far, while it may be a marker */
    int n_marker;
    bool in_line;  /* past the marker */
    bool in_fence; /* between ``` lines */
    bool skipping; /* the rest of a ``` line */
    int style;     /* of the line: heading or literal */
    bool bold, italic;
    int code_ticks; /* length of the run that began the code; 0: none */
    int32_t run;    /* '*', '_' or '`' being counted; 0: none */
    int n_run;
    int32_t before; /* character before the run; ' ' at a line's beginning */
    /* Text behind a * or _ that may begin an italic. */
    int32_t opened; /* that mark; 0: nothing is held */
    int n_opened;   /* of them: 1, or 3 for a bold italic */
    struct grid_letter held[MARKDOWN_HELD];
    int n_held, n_close; /* n_close: marks at the end of held that may close it */
    bool held_code;      /* it ends inside `code` */
    bool no_italic;      /* what comes was held already */
    bool in_cell;        /* of a table: blanks count, and yet it is styled */
    struct grid grid;    /* the table so far */
    bool in_row;         /* the line belongs to it */
};

void markdown_init(struct markdown *m, void (*put)(int32_t, int, void *),
                   void (*indent)(int, void *), int (*room)(int, void *), void *user);
void markdown_put(struct markdown *m, int32_t cp); /* clean characters */
void markdown_end(struct markdown *m);             /* hands out what was held back */
void markdown_free(struct markdown *m);            /* what it holds is lost */

/* Letters of one line, styled as text within a line; `style` is that of the whole. */
void markdown_inline(const struct grid_letter *letters, size_t n, int style,
                     void (*put)(int32_t, int, void *), void *user);

#endif
