/* SPDX-License-Identifier: GPL-3.0-or-later
 * Tells the terminal's answers from typed keys in one stream of input bytes. Nothing is lost: what
 * is not a whole, well-formed answer comes out as typed, in order. What a terminal brackets as
 * pasted comes out apart, whatever it is. */
#ifndef TERM_ANSWERS_H
#define TERM_ANSWERS_H

#include <stdbool.h>
#include <stddef.h>

enum answer_kind {
    ANSWER_ATTRIBUTES, /* CSI ? a ; b c      values: the numbers */
    ANSWER_GRAPHICS,   /* CSI ? i ; s ; … S  values: item, status, … */
    ANSWER_SIZE,       /* CSI 4|6|8 ; h ; w t  values: those three */
    ANSWER_BACKGROUND, /* OSC 11 ; rgb:…     values: red, green, blue, 0 … 255 */
    ANSWER_NAME,       /* DCS > | text */
    ANSWER_KITTY,      /* APC G i=31;text */
    ANSWER_OTHER       /* another report; nobody asked, it is only kept from the editor */
};

#define ANSWER_VALUES 32

struct answer {
    enum answer_kind kind;
    int values[ANSWER_VALUES]; /* each 0 … 99999 */
    int n_values;
    char text[64]; /* not cleaned */
};

#define ANSWER_BYTES 512 /* longest answer known */

struct answers {
    void (*on_typed)(unsigned char byte, void *user);
    void (*on_pasted)(int byte, void *user); /* -1: the end of a paste */
    void (*on_answer)(const struct answer *a, void *user);
    /* The clipboard's text, from its number on ("52;c;…"), of any length; -1: its end, -2: it was
     * cut off. NULL: nobody wants it. */
    void (*on_clipboard)(int byte, void *user);
    void *user;
    unsigned char held[ANSWER_BYTES]; /* from ESC on, while it may become an answer */
    size_t n_held;
    bool in_clipboard, clipboard_esc; /* ESC was the latest byte */
    bool in_paste;
    int paste_match; /* bytes of the paste's end seen so far */
};

void answers_init(struct answers *p, void (*on_typed)(unsigned char, void *),
                  void (*on_pasted)(int, void *), void (*on_answer)(const struct answer *, void *),
                  void *user);
void answers_byte(struct answers *p, unsigned char byte);
/* True while the bytes held could just as well be a key (ESC alone, Alt with a letter): after a
 * short silence they are one, and answers_flush() hands them out as typed. */
bool answers_ambiguous(const struct answers *p);
void answers_flush(struct answers *p);
/* Ends a paste whose end has not come. */
void answers_end_paste(struct answers *p);

#endif
