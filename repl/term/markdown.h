/* SPDX-License-Identifier: GPL-3.0-or-later
 * Light styling of an answer as it comes: headings, lists, **bold**, `code`, fenced blocks. Tables
 * and all else pass as they are. It works character by character and never waits for more than a
 * line's marker. */
#ifndef TERM_MARKDOWN_H
#define TERM_MARKDOWN_H

#include <stdbool.h>
#include <stdint.h>

#define MARKDOWN_MARKER 16 /* longest marker at a line's beginning, with its indentation */

struct markdown {
    void (*put)(int32_t cp, int style, void *user); /* styles of layout.h */
    void (*indent)(int columns, void *user);        /* of the lines that continue this one */
    void *user;
    int32_t marker[MARKDOWN_MARKER]; /* the line so far, while it may be a marker */
    int n_marker;
    bool in_line;  /* past the marker */
    bool in_fence; /* between ``` lines */
    bool skipping; /* the rest of a ``` line */
    int style;     /* of the line: heading or literal */
    bool bold;
    int code_ticks; /* length of the run that began the code; 0: none */
    int32_t run;    /* '*' or '`' being counted; 0: none */
    int n_run;
    int32_t before; /* character before the run; ' ' at a line's beginning */
};

void markdown_init(struct markdown *m, void (*put)(int32_t, int, void *),
                   void (*indent)(int, void *), void *user);
void markdown_put(struct markdown *m, int32_t cp); /* clean characters */
void markdown_end(struct markdown *m);             /* hands out what was held back */

#endif
