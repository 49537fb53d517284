/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tells the terminal's answers from typed keys in one stream of input bytes. Nothing is lost: what
 * is not a whole, well-formed answer comes out as typed, in order. What a terminal brackets as
 * pasted comes out apart, whatever it is. */
#ifndef TERM_TERMINAL_REPLIES_H
#define TERM_TERMINAL_REPLIES_H

#include <stdbool.h>
#include <stddef.h>

enum terminal_reply_kind {
    REPLY_ATTRIBUTES, /* CSI ? a ; b c      values: the numbers */
    REPLY_GRAPHICS,   /* CSI ? i ; s ; … S  values: item, status, … */
    REPLY_SIZE,       /* CSI 4|6|8 ; h ; w t  values: those three */
    REPLY_BACKGROUND, /* OSC 11 ; rgb:…     values: red, green, blue, 0 … 255 */
    REPLY_NAME,       /* DCS > | text */
    REPLY_KITTY,      /* APC G i=31;text */
    REPLY_OTHER       /* another report; nobody asked, it is only kept from the editor */
};

#define REPLY_VALUES 32

struct terminal_reply {
    enum terminal_reply_kind kind;
    int values[REPLY_VALUES]; /* each 0 … 99999 */
    int n_values;
    char text[64]; /* not cleaned */
};

#define REPLY_BYTES 512 /* longest answer known */

struct terminal_replies {
    void (*on_typed)(unsigned char byte, void *user);
    void (*on_pasted)(int byte, void *user); /* -1: the end of a paste */
    void (*on_reply)(const struct terminal_reply *a, void *user);
    /* The clipboard's text, from its number on ("52;c;…"), of any length; -1: its end, -2: it was
     * cut off. NULL: nobody wants it. */
    void (*on_clipboard)(int byte, void *user);
    void *user;
    unsigned char held[REPLY_BYTES]; /* from ESC on, while it may become an answer */
    size_t n_held;
    bool in_clipboard, clipboard_esc; /* ESC was the latest byte */
    bool in_paste;
    int paste_match; /* bytes of the paste's end seen so far */
};

void terminal_replies_init(struct terminal_replies *p, void (*on_typed)(unsigned char, void *),
                           void (*on_pasted)(int, void *),
                           void (*on_reply)(const struct terminal_reply *, void *), void *user);
void terminal_replies_byte(struct terminal_replies *p, unsigned char byte);
/* True while the bytes held could just as well be a key (ESC alone, Alt with a letter): after a
 * short silence they are one, and terminal_replies_flush() hands them out as typed. */
bool terminal_replies_ambiguous(const struct terminal_replies *p);
void terminal_replies_flush(struct terminal_replies *p);
/* Ends a paste whose end has not come. */
void terminal_replies_end_paste(struct terminal_replies *p);

#endif
