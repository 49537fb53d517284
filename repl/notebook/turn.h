/* SPDX-License-Identifier: MIT
 * The eight ways to lay a picture: turned by quarters, and mirrored. */
#ifndef NOTEBOOK_TURN_H
#define NOTEBOOK_TURN_H

#include <stdbool.h>

struct turn {
    bool mirrored; // first of all, left to right
    int quarters;  // then turned clockwise: 0 … 3
};

enum { TURN_BYTES = 12 };

/* Reads what is done, one after the other: "90", "180", "270" (clockwise) and "flip", with blanks
 * between them. False: there is another word, or none. */
bool turn_read(const char *text, struct turn *ret);
/* These words, by number from 0; NULL behind the last. */
const char *turn_word(int k);
/* The same in the fewest words, "flip 90"; "" where nothing is to be done. Returns buf. */
const char *turn_text(struct turn t, char buf[TURN_BYTES]);
struct turn turn_then(struct turn first, struct turn second);
/* Where pixel x, y of the turned picture is in the one before, which is width x height. */
void turn_origin(struct turn t, int width, int height, int x, int y, int *ret_x, int *ret_y);

#endif
