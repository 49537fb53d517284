/* SPDX-License-Identifier: GPL-3.0-or-later
 * Shows an answer as it grows: cleaned, lightly styled (Markdown), wrapped by words, next to its
 * pictures. A pipe gets it unchanged; with --plain or TERM=dumb it is cleaned only. */
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
    struct term *term;              /* borrowed; NULL: not a terminal */
    FILE *out;                      /* flushed after each piece */
    enum stream_layout layout;      /* AUTO: beside from 80 columns on, else above */
    bool verbatim;                  /* no markdown */
    const struct picture *pictures; /* borrowed until stream_free; as many as fit are drawn */
    int n_pictures;
    int picture_rows;  /* at most, captions included; 0: to suit the screen */
    const char *label; /* our text before the answer, "Out[3]: "; copied; NULL: none */
    const char *tag;   /* a dim name after the label; borrowed until stream_free; NULL: none */
    bool tag_line;     /* put the tag on its own line */
    /* After a resize the screen is cleared and the cell drawn again. This prints what is above the
     * answer (the person's prompt), ending with a line end. May be NULL. */
    void (*head)(FILE *out, void *user);
    void *user;
};

struct stream;

/* Writes nothing yet: progress may be shown until the first text comes. NULL without memory. */
struct stream *stream_new(const struct stream_options *opt);
/* Takes bytes, cut anywhere. Before the first ones it draws label and pictures, for which the
 * cursor must be in the first column. It also looks for a resize, so call it with n = 0 now and
 * then while waiting. */
void stream_text(struct stream *s, const char *bytes, size_t n);
/* Sets the style (bits of enum style) of the text that follows; 0: none. */
void stream_style(struct stream *s, int style);
/* Clears the screen and draws everything again, because others have written there. Does nothing
 * before the first text. */
void stream_redraw(struct stream *s);
/* Ends the answer, also an interrupted one: shows what was held back, switches styles off and moves
 * to the first column below text and pictures; without layout it adds a missing line end. Does
 * nothing when no text came. */
void stream_end(struct stream *s);
void stream_free(struct stream *s); /* NULL is harmless */

#endif
