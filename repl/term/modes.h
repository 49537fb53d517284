/* SPDX-License-Identifier: GPL-3.0-or-later
 * The modes of the terminal: as it was found, without echo while we work, without signals while
 * keys are read; every exit restores the first. */
#ifndef TERM_MODES_H
#define TERM_MODES_H

#include <stdbool.h>
#include <termios.h>

#include "term/term.h"

struct modes {
    int in_fd, out_fd;
    bool have_original, may_write; /* may_write: the output understands sequences */
    bool may_link;                 /* and OSC 8 among them */
    struct termios original;
    enum term_mode mode;
    bool pastes_bracketed;
};

void modes_init(struct modes *m, int in_fd, int out_fd);
/* Whether we are in the foreground of the terminal; reading from it would stop us otherwise. */
bool modes_in_foreground(const struct modes *m);
void modes_set(struct modes *m, enum term_mode mode);
/* Turns off echo and signals for a question to the terminal; modes_set() ends it. */
bool modes_ask(struct modes *m);
/* Writes our own sequences directly; the stream's buffer is flushed first. */
void modes_send(const struct modes *m, const char *s);

/* Ends attributes and links that are open, and shows the cursor. */
void modes_end_styles(const struct modes *m);

/* Sets the modes that term_restore() and the handlers of term_guard() restore; NULL: none. */
void modes_keep(struct modes *m);
const struct modes *modes_kept(void);

#endif
