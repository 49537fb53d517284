/* SPDX-License-Identifier: GPL-3.0-or-later
 * A notebook's outputs as Jupyter's messages: text as streams, pictures as display data, an answer as
 * a display that is replaced as it grows, or as a stream in consoles, which show only its first
 * state. */
#ifndef KERNEL_SHOW_H
#define KERNEL_SHOW_H

#include "kernel/io.h"
#include "notebook/notebook.h"

struct show {
    struct io *io;
    struct notebook *nb;
    const struct request *request; // whose cell runs; NULL: none
    bool silent;                   // it wants no outputs
    bool streams;                  // its client shows no display anew: answers are streams
    /* The answer being shown. */
    struct text answer;
    char display_id[24];
    unsigned n_displays;
    bool displayed;       // under that id
    double sent_s;        // when it was last sent, or begun
    struct strings drawn; // digests of pictures shown for this request
    char *next_input;     // for the front end's line; NULL: none
};

void show_init(struct show *s, struct io *io);
void show_fini(struct show *s);
/* A request's cell begins; NULL: it has ended. */
void show_request(struct show *s, const struct request *r, bool silent);
struct nb_front show_front(struct show *s, bool (*stopped)(void *user), void (*begins)(void *user));

#endif
