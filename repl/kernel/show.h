/* SPDX-License-Identifier: GPL-3.0-or-later
 * Sends a notebook's outputs as Jupyter messages: text as streams, pictures as display data, and an
 * answer as a display that is updated as it grows. Consoles do not show updates, so they get a
 * stream. */
#ifndef KERNEL_SHOW_H
#define KERNEL_SHOW_H

#include "kernel/io.h"
#include "notebook/notebook.h"

struct show {
    struct io *io;
    struct notebook *nb;
    const struct request *request; // whose cell runs; NULL: none
    bool silent;                   // it wants no outputs
    bool streams;                  // its client shows no updates: send answers as streams
    /* The answer being shown */
    struct text answer;
    char display_id[24];
    unsigned n_displays;
    bool displayed;       // it was sent under that id
    double sent_s;        // when it was last sent, or begun
    struct strings drawn; // digests of the pictures shown for this request
    char *next_input;     // what the front end should put into its next cell; NULL: nothing
};

void show_init(struct show *s, struct io *io);
void show_fini(struct show *s);
/* Begins the outputs of a request's cell; NULL ends them. */
void show_request(struct show *s, const struct request *r, bool silent);
struct nb_front show_front(struct show *s, bool (*stopped)(void *user), void (*begins)(void *user));

#endif
