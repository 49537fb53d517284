/* SPDX-License-Identifier: GPL-3.0-or-later
 * The only way in which text reaches a person. Text for a terminal is cleaned (clean.h); text for a
 * file or a pipe is not. Only the files of this folder write control sequences.
 *
 * A failure of the stream (a full disk, a reader that has gone) is remembered until out_flush. */
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
    const struct term_facts *facts; /* borrowed; NULL: write plain text only */
    bool terminal;                  /* the stream goes to a terminal */
    int error;                      /* errno of the first failure; 0: none */
};

/* Like fileno, but also for stderr when it is a stream of our own (common/remarks.h). */
int out_fileno(FILE *file);

/* term is the terminal that shows the stream, or NULL. */
void out_init(struct out *o, FILE *file, const struct term *term);

/* -- Text that may come from elsewhere ------------------------------------------------------- */

/* Writes text of any number of lines: LF and TAB pass, unsafe characters are dropped. */
void out_text(struct out *o, const char *bytes, size_t n);
/* The same for a report: long lines are wrapped by words, and their continuation is indented, to
 * the line's last column if it has one (after two or more blanks). */
void out_report(struct out *o, const char *bytes, size_t n);
/* The same as printf. */
void out_format(struct out *o, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A name, an address or an error within a line: unsafe characters show as ^J or <U+202E>. */
void out_name(struct out *o, const char *s);
/* The same, padded to at least `columns`. */
void out_padded(struct out *o, const char *s, int columns);
/* The same on its own line, wrapped by words on a terminal with continuation lines indented by
 * `indent`. */
void out_line(struct out *o, const char *s, int indent);
/* The same in a style. */
void out_line_styled(struct out *o, int style, const char *s, int indent);
/* The same; the first `name` in it links to the file, if the terminal supports links. */
void out_line_about(struct out *o, const char *s, int indent, const char *name, const char *path);
/* A JSON text on its own line: unsafe characters become \uXXXX, which means the same. */
void out_json(struct out *o, const char *json);

/* -- Own decoration -------------------------------------------------------------------------- */

/* A name in a style (enum style), if the terminal has styles. */
void out_styled(struct out *o, int style, const char *s);
/* Clears the screen; false when that is impossible. */
bool out_clear(struct out *o);

/* -- The end --------------------------------------------------------------------------------- */

/* Flushes the stream. Returns 0, or -1 when any write failed since out_init. */
int out_flush(struct out *o);

#endif
