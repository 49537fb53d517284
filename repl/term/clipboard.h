/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a terminal says of its clipboard: text by OSC 52, anything by kitty's OSC 5522. */
#ifndef TERM_CLIPBOARD_H
#define TERM_CLIPBOARD_H

#include <stdbool.h>
#include <stddef.h>

enum { CLIPBOARD_MAX = 96 << 20 /* letters of base64 in one answer */ };

struct clipboard {
    bool begun;   // something has come
    bool over;    // all of it has
    bool refused; // the terminal does not give it, or what came is damaged
    char *bytes;  // what it holds; take it
    size_t n, cap;
    char *letters; // of the answer being read
    size_t n_letters, cap_letters;
    char kind[64]; // of the data so far, as the terminal wrote it; only the first kind is taken
};

void clipboard_free(struct clipboard *c);
/* A byte of an answer, as struct terminal_replies hands it out. */
void clipboard_byte(struct clipboard *c, int byte);
/* The question, static: kitty's names the kinds that are wanted, the best first. */
const char *clipboard_question(bool kitty);
/* "OSC 52 ; c ; base64 ST" for text that is to be copied; to be freed. NULL without memory. */
char *clipboard_order(const char *text, size_t n);

#endif
