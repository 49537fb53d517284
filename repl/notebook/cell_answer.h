/* SPDX-License-Identifier: MIT
 * An answer as it is computed: shown while it comes, then kept in its cell. */
#ifndef NOTEBOOK_CELL_ANSWER_H
#define NOTEBOOK_CELL_ANSWER_H

#include "notebook/core.h"

/* How an answer comes about. */
enum answer_way {
    ANSWER_NEW,
    ANSWER_MORE, /* goes on from what was shown */
    ANSWER_BEGUN /* goes on from what is shown first */
};

/* Answers cell i, whose prompt is expanded. Returns 0, an error code, or 1 when the answer was
 * interrupted and its part kept. */
int cell_answer(struct notebook *nb, int i, const struct settings *usual, enum answer_way way,
                struct phi3v_error *err);
/* Answers a question about pictures outside the cells. */
int question_answer(struct notebook *nb, const struct question *q, const struct settings *s,
                    const char *const *sources, double decode_image_s, struct phi3v_error *err);
/* The answer of cell i once more, with its pictures. */
void cell_show_again(struct notebook *nb, int i);

#endif
