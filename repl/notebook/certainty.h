/* SPDX-License-Identifier: MIT
 * How certain the model was of each token of an answer, and what else it might have said. */
#ifndef NOTEBOOK_CERTAINTY_H
#define NOTEBOOK_CERTAINTY_H

#include <jansson.h>
#include <stdbool.h>

#include "phi3v.h"

enum { CERTAINTY_TOP = 5 }; /* the most probable tokens that are kept of each place */

struct certain_token {
    float logprob;                           // of the token that stands there; NAN: not known
    struct phi3v_logprob top[CERTAINTY_TOP]; // highest first; id -1: no more are kept
};

struct certainty {
    struct certain_token *v; // [n]
    size_t n;
};

void certainty_free(struct certainty *c);
bool certainty_copy(struct certainty *to, const struct certainty *from); /* to is overwritten */
/* The first n tokens of a result behind those that are there; runners-up a thousand times less
 * probable than the best are left out. False without memory. */
bool certainty_add(struct certainty *c, const struct phi3v_result *r, size_t n);
/* Exactly n: the rest goes, what is missing is not known. False without memory. */
bool certainty_resize(struct certainty *c, size_t n);

double certainty_probability(const struct certain_token *t); /* 0: not known */
/* The mean of the tokens' probabilities; NAN where none is known. */
double certainty_mean(const struct certainty *c);

/* As notebooks keep it: for each token a string "LOGPROB ID:LOGPROB ID:LOGPROB …" with three
 * decimals. NULL without memory. */
json_t *certainty_json(const struct certainty *c);
/* The other way; false: it is not that, and *ret is empty. */
bool certainty_read(const json_t *list, struct certainty *ret);

#endif
