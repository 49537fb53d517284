/* SPDX-License-Identifier: GPL-3.0-or-later
 * Keyboard input in order: bytes for the line editor, whole pastes, and the keys that interrupt and
 * stop. The terminal's replies have been taken out (terminal_replies.h). */
#ifndef TERM_KEYS_H
#define TERM_KEYS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <termios.h>

#include "term/terminal_replies.h"
#include "term/term.h"

enum {
    KEYS_QUEUE = 65536,    /* type-ahead; more of it waits in the kernel */
    KEYS_PASTE = 64 << 20, /* bytes of the longest paste */
    KEYS_PASTES = 1024     /* that can wait; any more are lost */
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
    bool take_signals; /* the kernel makes no signals of keys, so they become events here, … */
    bool signals_now;  /* … or a signal that the caller must raise */
    int raise;         /* that signal; 0: none */
    unsigned char interrupt, stop, quit;
    struct paste {
        char *bytes; /* NULL: too long */
        size_t n;
    } pastes[KEYS_PASTES]; /* a ring */
    size_t first_paste, n_pastes;
    char *paste; /* being collected */
    size_t n_paste, cap_paste;
    bool paste_lost; /* it was too long, interrupted, or there was no memory */
    bool interrupted_paste;
    double read_ms, pasted_ms; /* when bytes, and bytes of a paste, came last */
};

/* on_clipboard: as in terminal_replies.h. */
void keys_init(struct keys *k, int fd, const struct termios *mode,
               void (*on_reply)(const struct terminal_reply *, void *),
               void (*on_clipboard)(int byte, void *), void *user);
void keys_fini(struct keys *k);
/* Reads what has arrived, waiting at most timeout_ms (< 0: for ever); false when nothing came. */
bool keys_pump(struct keys *k, int timeout_ms);
/* Reads what has arrived and tells what comes next. Waits a moment after a lone ESC. */
enum term_event keys_next(struct keys *k);
int keys_take(struct keys *k); /* takes the next byte or event, which must be there */
/* Takes the next paste, NUL-terminated, for the caller to free; NULL when it was too long. */
char *keys_take_paste(struct keys *k, size_t *ret_n);

#endif
