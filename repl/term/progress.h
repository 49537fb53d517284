/* SPDX-License-Identifier: GPL-3.0-or-later
 * One line of progress for what lasts: stage, done of total, rate, time left. Silent when the
 * output is not a terminal; shown only after a second (or at once where someone waits at the
 * prompt); erased at the end. With ACCESSIBLE set it is a line every few seconds, and all stay. */
#ifndef TERM_PROGRESS_H
#define TERM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum progress_unit {
    PROGRESS_BYTES,
    PROGRESS_CROPS,
    PROGRESS_TOKENS,
    PROGRESS_FILES,
    PROGRESS_SHARE /* of all there is to do before the first word of an answer, with the wait until
                      then: "reading ▕███       ▏ 34 % · first word in about 1:25" */
};

struct progress {
    FILE *out;
    bool enabled;
    int cols;
    double delay_s; /* before the line first shows */
    double first_s; /* the clock at the first update of all; 0: none yet */
    double begun_s; /* the clock at the stage's first update */
    int64_t begun;  /* what was done by then */
    double shown_s; /* the clock when the line was last drawn */
    double left_s;  /* of a SHARE; negative: not known */
    bool visible;
    bool appended; /* ACCESSIBLE is set: lines that stay, now and then */
    char stage[40];
    char detail[80];
};

/* cols: where the terminal does not say; 0: 80. at_once: show without the first second. */
void progress_init(struct progress *p, FILE *out, int cols, bool at_once);
/* As often as you like; draws at most ten times a second. total 0: unknown. A new stage starts its
 * clock. stage is own text (ASCII). */
void progress_update(struct progress *p, const char *stage, enum progress_unit unit, int64_t done,
                     int64_t total);
/* SHARE only, before its update: seconds that are left; negative: not known. */
void progress_left(struct progress *p, double seconds);
/* A few more words between stage and amounts, from the next update on; "": none. */
void progress_detail(struct progress *p, const char *text);
void progress_clear(struct progress *p); /* erases the line; before anything else is printed */

#endif
