/* SPDX-License-Identifier: MIT
 * Answers that are shown while they are generated, then kept in their cells. */
#ifndef NOTEBOOK_CELL_ANSWER_H
#define NOTEBOOK_CELL_ANSWER_H

#include "notebook/core.h"

/* How an answer begins. */
enum answer_way {
    ANSWER_NEW,
    ANSWER_MORE, /* continues what was shown before */
    ANSWER_BEGUN /* continues a given beginning, which is shown first */
};

/* Answers cell i, whose prompt is expanded. Returns 0, an error code, or 1 when the answer was
 * interrupted and the part generated so far kept. */
int cell_answer(struct notebook *nb, int i, const struct settings *usual, enum answer_way way,
                struct phi3v_error *err);
/* Answers a question about pictures outside the cells. */
int question_answer(struct notebook *nb, const struct question *q, const struct settings *s,
                    const char *const *sources, double decode_image_s, struct phi3v_error *err);
/* Shows the answer of cell i again, with its pictures. */
void cell_show_again(struct notebook *nb, int i);

#endif
