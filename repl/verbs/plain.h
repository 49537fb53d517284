/* SPDX-License-Identifier: GPL-3.0-or-later
 * The front end without a line: answers stream to standard output, everything else goes to standard
 * error; with --json each answer is one object on standard output. What `ask` and `script` show. */
#ifndef VERBS_PLAIN_H
#define VERBS_PLAIN_H

#include "notebook/notebook.h"
#include "term/out.h"
#include "term/progress.h"
#include "term/stream.h"
#include "verbs/options.h"

struct plain {
    const struct options *opt; // borrowed
    struct notebook *nb;
    struct term *term; // of standard output; NULL: it is no terminal, or gets JSON
    struct out out, err;
    struct progress progress;
    struct stream *stream; // of the answer being shown
    char last;             // byte of it
    bool answers_alone;    // nothing but the answer and notes is wanted (ask)
    bool cut_off;          // the last answer reached its longest length
};

/* Makes the notebook over itself, with Ctrl-C. Not to be moved afterwards. standard_input: "-" may
 * be loaded as a picture. */
int plain_open(struct plain *p, const struct options *opt, bool standard_input,
               struct phi3v_error *err);
/* Returns status, or EXIT_CELL with a sentence when standard output could not be written. */
int plain_close(struct plain *p, int status);

#endif
