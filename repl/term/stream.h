/* SPDX-License-Identifier: GPL-3.0-or-later
 * An answer on its way to the person: cleaned, lightly styled (markdown), wrapped by words, beside
 * its pictures. To a pipe it goes unchanged; with --plain or TERM=dumb cleaned and otherwise as it
 * is. */
#ifndef TERM_STREAM_H
#define TERM_STREAM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "term/layout.h"
#include "term/picture.h"
#include "term/term.h"

enum stream_layout { STREAM_AUTO, STREAM_BESIDE, STREAM_ABOVE, STREAM_NO_PICTURES };

struct stream_options {
    struct term *term;              /* borrowed; NULL: to a pipe */
    FILE *out;                      /* flushed after each piece */
    enum stream_layout layout;      /* AUTO: beside at 80 columns or more, else above */
    bool verbatim;                  /* no markdown */
    const struct picture *pictures; /* borrowed until stream_free; as many as fit are drawn */
    int n_pictures;
    int picture_rows;  /* at most, captions included; 0: what suits the screen */
    const char *label; /* own text before the answer, "Out[3]: "; copied; NULL: none */
    const char *tag;   /* dim, behind the label: a name; borrowed until stream_free; NULL: none */
    bool tag_line;     /* the tag is a line of its own */
    /* After a resize the screen is cleared and the cell drawn again; this prints what stands above
     * the answer (the person's prompt), ending in a line end. May be NULL. */
    void (*head)(FILE *out, void *user);
    void *user;
};

struct stream;

/* Writes nothing yet: progress may be shown until the first text comes. NULL without memory. */
struct stream *stream_new(const struct stream_options *opt);
/* Any bytes, cut anywhere. The first ones draw label and pictures: the cursor must then be in the
 * first column. Looks for a resize, too, so call it with n = 0 now and then when waiting. */
void stream_text(struct stream *s, const char *bytes, size_t n);
/* Of the text that comes from now on: bits of enum style; 0: none of its own. */
void stream_style(struct stream *s, int style);
/* Clears the screen and draws all again, when others have written there; nothing before the first
 * text. */
void stream_redraw(struct stream *s);
/* The end, also of an interrupted answer: everything shown, styles off, cursor in the first column
 * below text and pictures; otherwise a line end where the text has none. Nothing when no text came.
 */
void stream_end(struct stream *s);
void stream_free(struct stream *s); /* NULL is harmless */

#endif
