/* SPDX-License-Identifier: GPL-3.0-or-later
 * The terminal's face of a notebook: draws its outputs, takes Ctrl-C and Ctrl-Z to it. */
#ifndef TTY_FRONT_H
#define TTY_FRONT_H

#include "notebook/notebook.h"
#include "term/out.h"
#include "term/progress.h"
#include "term/screen.h"
#include "term/stream.h"

/* A picture that was drawn, to be not drawn again while it is in sight. */
struct front_shown {
    char sha256[65]; // of its content
    long row;        // of the screen, where it begins
};
enum { FRONT_SHOWN = 64 };

struct front {
    struct notebook *nb;                   // that is shown
    struct term *term;                     // of standard output; NULL: that is none
    struct screen *screen;                 // in front of it; NULL: nothing is counted
    FILE *usual_out;                       // standard output as it was
    struct front_shown shown[FRONT_SHOWN]; // the latest ones, in a ring
    int n_shown;
    int n_answers;       // shown so far
    bool answer_is_last; // no picture has been shown since
    int highest;         // number of a cell that was answered
    struct out out;
    struct progress progress;
    struct stream *stream;    // of the answer being shown; NULL: none
    struct picture *pictures; // beside it
    char **captions;          // [n_pictures] of them
    int n_pictures;
    char *tag;           // names those that are in sight already; NULL: none
    int cell;            // number of its cell
    char *history;       // file; NULL: none is kept
    struct watch *watch; // a folder where pictures appear; NULL: none
    /* Text that goes back into the line; NULL: none. */
    char *returned;
    int editing; // number of the cell it belongs to; 0: a new one
};

/* plain, graphics: as the settings. history: copied; NULL: none is kept. */
void front_init(struct front *f, const struct settings *s, const char *history);
void front_fini(struct front *f);
/* What the notebook is to be made with. */
struct nb_front front_face(struct front *f);
/* From now on Ctrl-C stops what this notebook computes. */
void front_shows(struct front *f, struct notebook *nb);

/* One clean line that says what went wrong. */
void front_error(struct front *f, const struct phi3v_error *err);
/* Clears the screen and draws the last cell again. */
void front_redraw(struct front *f);

#endif
