/* SPDX-License-Identifier: MIT
 * How long it is to the first word: one scale over all that is read before it. Begins with what
 * reading has cost so far and trusts what it sees the more, the longer it looks. What is told is
 * never told to be more than a fifth longer than before, unless the machine is no longer what it
 * was: a wait that only grows says nothing. */
#ifndef NOTEBOOK_FORECAST_H
#define NOTEBOOK_FORECAST_H

#include <stdbool.h>

#include "notebook/price.h"

struct forecast {
    bool on;
    double s_per_crop, s_per_token; // expected; 0: not known
    double n_tokens;                // to be read, as far as is known
    double begun_s;
    /* The stage under way, as it was first seen. */
    enum phi3v_stage stage;
    int64_t total;
    double stage_s, stage_part;
    double least_left_s; // told so far; negative: nothing was
    /* To be told. */
    double share;  // 0 … 1, never falls
    double left_s; // negative: not known
};

/* From now on n_tokens are to be read behind `held` others, and perhaps pictures before them. */
void forecast_begin(struct forecast *f, const struct price *p, const struct phi3v_model_info *info,
                    int64_t held, int64_t n_tokens, double now);
/* An event of the work; those of other stages are none of its. */
void forecast_event(struct forecast *f, const struct phi3v_event *event, double now);

#endif
