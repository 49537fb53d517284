/* SPDX-License-Identifier: GPL-3.0-or-later
 * Text on a terminal, wrapped by words: next to the pictures, then over the full width below them.
 * Cursor movement is relative, so it works at the bottom of a full screen, and text never touches a
 * picture's cells. Lines end one column early, because terminals differ in what they do with a
 * cursor behind the last column. */
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
    STYLE_LITERAL = 16, /* keep all spaces, and break anywhere, not just between words */
    STYLE_PROMPT = 32,
    STYLE_CONTROL = 64, /* shown in place of a control character */
    STYLE_DIM = 128,
    STYLE_DOUBT = 256,  /* underlines the whole word */
    STYLE_LIKELY = 512, /* how certain something is: from fairly … */
    STYLE_UNSURE = 1024,
    STYLE_UNLIKELY = 2048, /* … to hardly */
    STYLE_GONE = 4096,
    STYLE_NEW = 8192,
    STYLE_ITALIC = 16384,
    STYLE_LINK = 32768 /* a link to layout.link */
};

/* Switches styles on; true when it wrote anything, which "\033[0m" then undoes. */
bool style_on(const struct term_facts *facts, int style, FILE *out);

#define LAYOUT_WORD 256 /* characters; longer words are broken */

struct layout {
    const struct term_facts *facts; /* borrowed */
    FILE *out;
    int left;         /* columns taken by pictures and gap, while row < picture_rows */
    int picture_rows; /* 0: no pictures next to the text */
    int row;          /* from 0; counted only next to pictures */
    int column;       /* cells used in this line, from the text's left edge */
    int indent;       /* of the lines that continue this one */
    int spaces;       /* held back, as the line may end here */
    int style;        /* switched on in the terminal */
    const char *link; /* address of STYLE_LINK, from link_to(); borrowed; NULL: no links */
    struct {
        int32_t cp;
        int style;
    } word[LAYOUT_WORD];
    int n_word, word_width;
};

/* Draws the pictures in a row, at most max_rows high (0: to suit the screen), and prepares for text
 * to the right of them (beside) or below. The cursor must be in the first column, and facts must
 * allow cursor movement. */
void layout_begin(struct layout *l, const struct term_facts *facts, FILE *out,
                  const struct picture *pictures, int n_pictures, int max_rows, bool beside);
/* Takes one clean character: LF, TAB or printable. Words appear when they are complete. */
void layout_put(struct layout *l, int32_t cp, int style);
/* Until the next LF, continuation lines are indented by `columns`. */
void layout_indent(struct layout *l, int columns);
/* Begins a new line, below the pictures if there are fewer than `columns` next to them. Returns how
 * many columns there are. */
int layout_room(struct layout *l, int columns);
/* Writes what was held back, switches styles off, and goes to the first column below text and
 * pictures. */
void layout_end(struct layout *l);

#endif
