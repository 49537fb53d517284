/* SPDX-License-Identifier: MIT
 * Estimates the time to the first word of an answer, on one scale over the whole prefill. It starts
 * from what prefill has cost so far and trusts the present measurement more the longer that lasts.
 * An estimate is never more than a fifth above an earlier one, unless the machine's speed has
 * changed: a wait that only grows tells the person nothing. */
#ifndef NOTEBOOK_FORECAST_H
#define NOTEBOOK_FORECAST_H

#include <stdbool.h>

#include "notebook/price.h"

struct forecast {
    bool on;
    double s_per_crop, s_per_token; // expected; 0: not known
    double n_tokens;                // to be prefilled, as far as is known
    double begun_s;
    /* The present stage, as it was first seen. */
    enum phi3v_stage stage;
    int64_t total;
    double stage_s, stage_part;
    double least_left_s; // the least reported so far; negative: none
    /* What to report. */
    double share;  // 0 … 1, never falls
    double left_s; // negative: not known
};

/* Begins a prefill of n_tokens after `held` others, perhaps with pictures before them. */
void forecast_begin(struct forecast *f, const struct price *p, const struct phi3v_model_info *info,
                    int64_t held, int64_t n_tokens, double now);
/* Takes an event of the work; those of other stages are ignored. */
void forecast_event(struct forecast *f, const struct phi3v_event *event, double now);

#endif
