/* SPDX-License-Identifier: GPL-3.0-or-later
 * The front end of `ask` and `script`, without a line editor: answers stream to standard output,
 * everything else goes to standard error. With --json each answer is one object on standard
 * output. */
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
    struct term *term; // of standard output; NULL: it is not a terminal, or gets JSON
    struct out out, err;
    struct progress progress;
    struct stream *stream; // of the answer being shown
    char last;             // the last byte of the answer
    bool answers_alone;    // show only the answer and notes (ask)
    bool cut_off;          // the latest answer reached max_new_tokens
};

/* Makes the notebook, which Ctrl-C stops. The struct must not move afterwards. standard_input: "-"
 * may be loaded as a picture. */
int plain_open(struct plain *p, const struct options *opt, bool standard_input,
               struct phi3v_error *err);
/* Returns status or, after reporting that standard output could not be written, EXIT_CELL. */
int plain_close(struct plain *p, int status);

#endif
