/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook's front end for a terminal: draws outputs, and passes on Ctrl-C and Ctrl-Z. */
#ifndef TTY_FRONT_H
#define TTY_FRONT_H

#include "notebook/notebook.h"
#include "term/out.h"
#include "term/progress.h"
#include "term/screen.h"
#include "term/stream.h"

/* A picture that was drawn and is not drawn again while it is in sight. */
struct front_shown {
    char sha256[65]; // of its content
    long row;        // where it begins, counted as in term/screen.h
};
enum { FRONT_SHOWN = 64 };

struct front {
    struct notebook *nb;
    struct term *term;                     // of standard output; NULL: it is not a terminal
    struct screen *screen;                 // counts the terminal's rows; NULL: nothing is counted
    FILE *usual_out;                       // standard output before `screen` was put in front
    struct front_shown shown[FRONT_SHOWN]; // the latest ones, in a ring
    int n_shown;
    int n_answers;       // shown so far
    bool answer_is_last; // no picture was shown after the latest answer
    int highest;         // the highest number of an answered cell
    struct out out;
    struct progress progress;
    struct stream *stream;    // of the answer being shown; NULL: none
    struct picture *pictures; // [n_pictures] next to it
    char **captions;          // [n_pictures]
    int n_pictures;
    char *tag;           // names the pictures already in sight; NULL: none
    int cell;            // its cell's number
    char *history;       // a file; NULL: none is kept
    struct watch *watch; // of a folder where pictures appear; NULL: none
    char *returned;      // text to put back into the line; NULL: none
    int editing;         // the number of the cell that it belongs to; 0: a new one
};

/* history is copied; NULL when none is kept. */
void front_init(struct front *f, const struct settings *s, const char *history);
void front_fini(struct front *f);
/* The callbacks to make the notebook with. */
struct nb_front front_face(struct front *f);
/* Sets the notebook, whose work Ctrl-C stops from now on. */
void front_shows(struct front *f, struct notebook *nb);

/* Writes the error as one clean line. */
void front_error(struct front *f, const struct phi3v_error *err);
/* Clears the screen and draws the last cell again. */
void front_redraw(struct front *f);

#endif
