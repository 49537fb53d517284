/* SPDX-License-Identifier: GPL-3.0-or-later
 * What arrives from the keyboard, in order: bytes for the line editor, pastes as wholes, the keys
 * that interrupt and stop. The terminal's answers are taken out before (terminal_replies.h). */
#ifndef TERM_KEYS_H
#define TERM_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "term/terminal_replies.h"
#include "term/term.h"

enum {
    KEYS_QUEUE = 65536,    /* typed ahead; more waits in the kernel */
    KEYS_PASTE = 64 << 20, /* bytes of the longest paste */
    KEYS_PASTES = 1024     /* waiting; more are lost */
};

struct keys {
    int fd;
    struct terminal_replies replies;
    void (*on_reply)(const struct terminal_reply *a, void *user);
    void (*on_clipboard)(int byte, void *user);
    void *user;
    /* A ring of bytes and, above them, events. */
    int16_t queue[KEYS_QUEUE];
    size_t first, n;
    bool at_end;
    bool take_signals; /* the kernel makes no signals of keys: they are events here … */
    bool signals_now;  /* … or the signal that somebody is to raise */
    int raise;         /* that signal; 0: none */
    unsigned char interrupt, stop, quit;
    struct paste {
        char *bytes; /* NULL: too long */
        size_t n;
    } pastes[KEYS_PASTES]; /* a ring */
    size_t first_paste, n_pastes;
    char *paste; /* being collected */
    size_t n_paste, cap_paste;
    bool paste_lost; /* of it: too long, no memory, or interrupted */
    bool interrupted_paste;
    double read_ms, pasted_ms; /* when bytes came last, and bytes of a paste before them */
};

/* on_clipboard: as in terminal_replies.h. */
void keys_init(struct keys *k, int fd, const struct termios *mode,
               void (*on_reply)(const struct terminal_reply *, void *),
               void (*on_clipboard)(int byte, void *), void *user);
void keys_fini(struct keys *k);
/* Takes in what is there, waiting for it at most so long (< 0: for ever); false: nothing was. */
bool keys_pump(struct keys *k, int timeout_ms);
/* What comes next, after taking in all that is there. Waits a moment behind a lone ESC. */
enum term_event keys_next(struct keys *k);
int keys_take(struct keys *k); /* the byte or event that comes next; it must be there */
/* The paste that comes next, with a NUL behind it, to be freed; NULL: it was too long. */
char *keys_take_paste(struct keys *k, size_t *ret_n);

#endif
