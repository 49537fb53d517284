/* SPDX-License-Identifier: GPL-3.0-or-later
 * The one way out to a person. Where a terminal reads a stream, text is cleaned on its way there
 * (clean.h); to a file or a pipe it goes as it is. Control sequences come from the files of this
 * folder alone: nobody else writes one.
 *
 * A failure of the stream (a full disk, a reader that is gone) is remembered until somebody asks.
 */
#ifndef TERM_OUT_H
#define TERM_OUT_H

#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

#include "term/layout.h"
#include "term/term.h"

struct out {
    FILE *file;                     /* borrowed */
    const struct term_facts *facts; /* borrowed; NULL: nothing but text may be written */
    bool terminal;                  /* a terminal reads it */
    int error;                      /* errno of the first failure; 0: none */
};

/* As fileno; stderr, too, is the descriptor it writes to where it is a stream of our own
 * (common/remarks.h). */
int out_fileno(FILE *file);

/* term: the one that shows this stream; NULL: none, or none that is open. */
void out_init(struct out *o, FILE *file, const struct term *term);

/* -- Text that may come from elsewhere ------------------------------------------------------- */

/* Whole text of any number of lines: LF and TAB pass, what is unsafe is dropped. */
void out_text(struct out *o, const char *bytes, size_t n);
/* The same of a report: lines longer than the terminal is wide are wrapped by words, and what
 * continues one stands below its last column (behind two blanks or more), or is indented. */
void out_report(struct out *o, const char *bytes, size_t n);
/* The same for our own words around such text, as with printf. */
void out_format(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A name, an address, an error, within a line: what is unsafe shows as ^J or <U+202E>. */
void out_name(struct out *o, const char *s);
/* The same in so many columns at least. */
void out_padded(struct out *o, const char *s, int columns);
/* The same as a line of its own, wrapped by words on a terminal; what continues it begins `indent`
 * columns to the right. */
void out_line(struct out *o, const char *s, int indent);
/* The same in a style. */
void out_line_styled(struct out *o, int style, const char *s, int indent);
/* The same; the first `name` in it is a link to that file, where the terminal knows links. */
void out_line_about(struct out *o, const char *s, int indent, const char *name, const char *path);
/* A JSON text on a line of its own: what is unsafe becomes \uXXXX, which means the same. */
void out_json(struct out *o, const char *json);

/* -- Own decoration -------------------------------------------------------------------------- */

/* A name in a style (enum style) where the terminal has such. */
void out_styled(struct out *o, int style, const char *s);
/* Clears the screen; false: this is none that can be cleared. */
bool out_clear(struct out *o);

/* -- The end --------------------------------------------------------------------------------- */

/* Writes what was held back. 0, or -1 when anything failed since out_init. */
int out_flush(struct out *o);

#endif
