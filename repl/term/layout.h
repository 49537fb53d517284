/* SPDX-License-Identifier: GPL-3.0-or-later
 * Lines of text on a terminal, wrapped by words, beside a column of pictures while these last and
 * over the full width below. Cursor movement is relative, so it works at the bottom of a full
 * screen; text never touches a picture's cells. Lines end one column early: a cursor on the last
 * column is a trap. */
#ifndef TERM_LAYOUT_H
#define TERM_LAYOUT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "term/picture.h"

enum style {
    STYLE_BOLD = 1,
    STYLE_CODE = 2,
    STYLE_HEADING = 4,
    STYLE_LABEL = 8,
    STYLE_LITERAL = 16, /* spaces count: break anywhere, not between words */
    STYLE_PROMPT = 32,
    STYLE_CONTROL = 64, /* what stands for a control character */
    STYLE_DIM = 128,
    STYLE_DOUBT = 256,  /* underlines the whole word */
    STYLE_LIKELY = 512, /* how certain something is, from fairly */
    STYLE_UNSURE = 1024,
    STYLE_UNLIKELY = 2048, /* to hardly */
    STYLE_GONE = 4096,
    STYLE_NEW = 8192,
    STYLE_ITALIC = 16384,
    STYLE_LINK = 32768 /* leads to layout.link */
};

/* Switches styles on; true when anything was written, which "\033[0m" takes back. */
bool style_on(const struct term_facts *facts, int style, FILE *out);

#define LAYOUT_WORD 256 /* characters of a word held back; longer ones are broken */

struct layout {
    const struct term_facts *facts; /* borrowed */
    FILE *out;
    int left;         /* columns taken by pictures and gap, while row < picture_rows */
    int picture_rows; /* 0: nothing beside */
    int row;          /* since the first; counted only while beside */
    int column;       /* cells used in this line, from the text's left edge */
    int indent;       /* of the lines that continue this one */
    int spaces;       /* seen, not written: a line may end here */
    int style;        /* switched on in the terminal */
    const char *link; /* address of STYLE_LINK, as of link_to(); borrowed; NULL: no links */
    struct {
        int32_t cp;
        int style;
    } word[LAYOUT_WORD];
    int n_word, word_width;
};

/* Draws the pictures side by side, at most max_rows high (0: what suits the screen), and prepares
 * for text at their right (beside) or below them. The cursor must be in the first column. facts
 * must allow cursor movement. */
void layout_begin(struct layout *l, const struct term_facts *facts, FILE *out,
                  const struct picture *pictures, int n_pictures, int max_rows, bool beside);
/* One clean character: LF, TAB or printable. Words appear when they are complete. */
void layout_put(struct layout *l, int32_t cp, int style);
/* Lines that continue the present one begin `columns` to the right, until the next LF. */
void layout_indent(struct layout *l, int columns);
/* A fresh line, and below the pictures where beside them is less room than so many columns. Returns
 * the columns there are. */
int layout_room(struct layout *l, int columns);
/* Writes what was held back, switches styles off, and goes to the first column below text and
 * pictures. */
void layout_end(struct layout *l);

#endif
