/* SPDX-License-Identifier: GPL-3.0-or-later
 * Separates the terminal's replies from typed keys in the input bytes. Nothing is lost: whatever is
 * not a complete, well-formed reply is handed out as typed, in order. Bracketed pastes are handed
 * out apart, whatever they contain. */
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
    REPLY_OTHER       /* another report, which is just kept from the editor */
};

#define REPLY_VALUES 32

struct terminal_reply {
    enum terminal_reply_kind kind;
    int values[REPLY_VALUES]; /* each 0 … 99999 */
    int n_values;
    char text[64]; /* not cleaned */
};

#define REPLY_BYTES 512 /* longest known reply */

struct terminal_replies {
    void (*on_typed)(unsigned char byte, void *user);
    void (*on_pasted)(int byte, void *user); /* -1: the end of a paste */
    void (*on_reply)(const struct terminal_reply *a, void *user);
    /* A byte of a clipboard reply of any length, from its number on ("52;c;…"); -1 ends it, -2
     * means that it was cut off. NULL: not wanted. */
    void (*on_clipboard)(int byte, void *user);
    void *user;
    unsigned char held[REPLY_BYTES]; /* from ESC on, while it may become a reply */
    size_t n_held;
    bool in_clipboard, clipboard_esc; /* clipboard_esc: ESC was the latest byte */
    bool in_paste;
    int paste_match; /* bytes of the paste's end seen so far */
};

void terminal_replies_init(struct terminal_replies *p, void (*on_typed)(unsigned char, void *),
                           void (*on_pasted)(int, void *),
                           void (*on_reply)(const struct terminal_reply *, void *), void *user);
void terminal_replies_byte(struct terminal_replies *p, unsigned char byte);
/* True while the held bytes could also be a key (ESC alone, Alt with a letter). After a short
 * silence they are one; then call terminal_replies_flush(), which hands them out as typed. */
bool terminal_replies_ambiguous(const struct terminal_replies *p);
void terminal_replies_flush(struct terminal_replies *p);
/* Ends a paste that was never closed. */
void terminal_replies_end_paste(struct terminal_replies *p);

#endif
