/* SPDX-License-Identifier: GPL-3.0-or-later
 * A strict model of a terminal for tests: it knows only what the program may send, follows the
 * cursor, decodes sixel, and remembers which cells a picture covers. The first thing wrong is kept
 * in `error`: an unknown or unfinished sequence, a raw control character, text written over a
 * picture or a picture over text, a movement stopped by the screen's edge, a line wrapped by the
 * terminal, attributes left on at a line end. */
#ifndef TESTS_VT_H
#define TESTS_VT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { VT_MAX_COLS = 300, VT_MAX_ROWS = 100, VT_SIXEL_SIDE = 1100, VT_TEXT = 1 << 18 };

struct vt_cell {
    int32_t cp; /* 0: blank; -1: right half of a wide letter */
    bool picture;
};

/* Where the cursor is after a sixel picture: the terminals differ. */
enum vt_after_picture { VT_LAST_ROW, VT_BELOW, VT_BELOW_FIRST_COLUMN };

struct vt {
    int cols, rows, cell_w, cell_h;
    int max_w, max_h; /* of a sixel picture */
    bool may_wrap;    /* lines that reach the last column go on in the next, as on any terminal */
    bool may_cover;   /* text and pictures may hide each other */
    bool may_clamp;   /* movements may end at the screen's edge: it has become smaller meanwhile */
    bool may_stop;    /* CAN and ST may end a sequence in its middle */
    enum vt_after_picture after;
    struct vt_cell cells[VT_MAX_ROWS][VT_MAX_COLS];
    int x, y, saved_x, saved_y;
    bool attributes, cursor_hidden, pastes_bracketed;
    bool linked;    /* inside an OSC 8 link */
    char link[400]; /* where the latest link led */
    char marks[64]; /* letters of the prompt marks (OSC 133) that came, the latest ones */
    int n_pictures, picture_w, picture_h; /* pixels of the last one */
    int n_colours;
    uint8_t picture[VT_SIXEL_SIDE][VT_SIXEL_SIDE][3];
    bool painted[VT_SIXEL_SIDE][VT_SIXEL_SIDE];
    /* Every printed line, row by row, as it scrolled away, see vt_text(); the latest of them. */
    char text[VT_TEXT];
    size_t n_text;
    char error[200];
    size_t n_fed, error_at; /* bytes taken so far; by then the first error was found */
    /* the decoder's state */
    unsigned char sequence[1 << 20];
    size_t n_sequence;
};

struct vt *vt_new(int cols, int rows, int cell_w, int cell_h);
void vt_free(struct vt *vt);
void vt_resize(struct vt *vt, int cols, int rows); /* as xterm does it: lines are cut, not moved */
void vt_feed(struct vt *vt, const char *bytes, size_t n);
/* Ends the check: no sequence is unfinished, attributes are off, the cursor is shown. */
void vt_end(struct vt *vt);
/* The text of one row, blanks at the end removed; valid until the next call. */
const char *vt_row(const struct vt *vt, int y);
/* All rows since the start, scrolled away or not, with LF after each; block and picture cells left
 * out. */
const char *vt_text(struct vt *vt);

#endif
