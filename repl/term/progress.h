/* SPDX-License-Identifier: GPL-3.0-or-later
 * A progress line for long work: stage, done of total, rate, time left. It shows on a terminal
 * only, after a second (or at once when somebody waits at the prompt), and is erased at the end.
 * With ACCESSIBLE set a new line is added every few seconds instead. */
#ifndef TERM_PROGRESS_H
#define TERM_PROGRESS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

enum progress_unit {
    PROGRESS_BYTES,
    PROGRESS_CROPS,
    PROGRESS_TOKENS,
    PROGRESS_SHARE /* of all work before an answer's first word, with the time until then:
                      "reading ▕███       ▏ 34 % · first word in about 1:25" */
};

struct progress {
    FILE *out;
    bool enabled;
    int cols;
    double delay_s; /* before the line first shows */
    double first_s; /* when the first update of all came; 0: none yet */
    double begun_s; /* when the stage's first update came */
    int64_t begun;  /* what was done by then */
    double shown_s; /* when the line was last drawn */
    double left_s;  /* for SHARE; negative: not known */
    bool visible;
    bool appended; /* ACCESSIBLE is set: add lines that stay */
    char stage[40];
    char detail[80];
};

/* cols is the width when the terminal does not tell (0: 80). at_once: show without the delay. */
void progress_init(struct progress *p, FILE *out, int cols, bool at_once);
/* Call it as often as you like; it draws at most ten times a second. total 0 means unknown. A new
 * stage restarts the clock. stage must be our own ASCII text. */
void progress_update(struct progress *p, const char *stage, enum progress_unit unit, int64_t done,
                     int64_t total);
/* For SHARE, before progress_update: sets the seconds left; negative: not known. */
void progress_left(struct progress *p, double seconds);
/* Adds words after the stage, from the next update on; "" for none. */
void progress_detail(struct progress *p, const char *text);
void progress_clear(struct progress *p); /* erases the line; call it before other output */

#endif
