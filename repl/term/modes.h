/* SPDX-License-Identifier: GPL-3.0-or-later
 * The modes of the terminal: as it was found, without echo while we work, without signals while
 * keys are read; and the way back on every exit. */
#ifndef TERM_MODES_H
#define TERM_MODES_H

#include <stdbool.h>
#include <termios.h>

#include "term/term.h"

struct modes {
    int in_fd, out_fd;
    bool have_original, may_write; /* may_write: the output understands sequences */
    struct termios original;
    enum term_mode mode;
    bool pastes_bracketed;
};

void modes_init(struct modes *m, int in_fd, int out_fd);
/* The input belongs to the terminal that shows the output, and to us: others would be stopped. */
bool modes_in_foreground(const struct modes *m);
void modes_set(struct modes *m, enum term_mode mode);
/* No echo, no signals, for a question and its answer; modes_set() ends it. */
bool modes_ask(struct modes *m);
/* Own sequences, past the stream's buffer: it is flushed first. */
void modes_send(const struct modes *m, const char *s);

/* The one that term_restore() and the handlers of term_guard() put back; NULL: none. */
void modes_keep(struct modes *m);
const struct modes *modes_kept(void);

#endif
