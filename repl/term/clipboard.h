/* SPDX-License-Identifier: GPL-3.0-or-later
 * The clipboard as terminals offer it: text by OSC 52, any kind of data by kitty's OSC 5522. */
#ifndef TERM_CLIPBOARD_H
#define TERM_CLIPBOARD_H

#include <stdbool.h>
#include <stddef.h>

enum { CLIPBOARD_MAX = 96 << 20 /* base64 characters in one reply */ };

struct clipboard {
    bool begun;   // some of the data has come
    bool over;    // all of it has come
    bool refused; // the terminal denies access, or the data is damaged
    char *bytes;  // the data, for the caller to take
    size_t n, cap;
    char *letters; // the base64 of the present reply
    size_t n_letters, cap_letters;
    char kind[64]; // of the data, as the terminal wrote it; only the first kind is taken
};

void clipboard_free(struct clipboard *c);
/* Takes a byte of a reply, as struct terminal_replies hands it out. */
void clipboard_byte(struct clipboard *c, int byte);
/* The static question to send; kitty's lists the wanted kinds of data, the best first. */
const char *clipboard_question(bool kitty);
/* "OSC 52 ; c ; base64 ST", which copies the text; the caller frees. NULL without memory. */
char *clipboard_order(const char *text, size_t n);

#endif
