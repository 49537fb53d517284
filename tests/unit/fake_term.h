/* SPDX-License-Identifier: GPL-3.0-or-later
 * A struct term on a pseudo-terminal that nobody asks, with the size and graphics a test wants, and
 * what a terminal model (vt.h) makes of the bytes written. */
#ifndef TESTS_FAKE_TERM_H
#define TESTS_FAKE_TERM_H

#include <stdio.h>

#include "term/picture.h"
#include "term/term.h"
#include "vt.h"

struct fake_term {
    int master, slave;
    struct term *term;
    struct vt *vt;
    FILE *out; /* memory; see fake_term_show() */
    char *bytes;
    size_t n_bytes, n_shown;
};

/* graphics: the setting. The environment has TERM=xterm-256color and nothing else, or TERM=term. */
void fake_term_open(struct fake_term *f, const char *term, const char *graphics, int cols, int rows,
                    int cell_w, int cell_h);
void fake_term_resize(struct fake_term *f, int cols,
                      int rows); /* the pty and SIGWINCH, not the model */
/* Feeds what was written to `out` since the last call to the model, and fails the test on an error.
 */
void fake_term_show(struct fake_term *f);
void fake_term_close(struct fake_term *f);

/* Red, green, blue and white quarters; alpha NULL. Free rgb. */
struct picture quarters(int width, int height);

#endif
