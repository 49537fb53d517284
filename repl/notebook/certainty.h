/* SPDX-License-Identifier: MIT
 * How certain the model was of each token of an answer, and its most probable alternatives. */
#ifndef NOTEBOOK_CERTAINTY_H
#define NOTEBOOK_CERTAINTY_H

#include <jansson.h>
#include <stdbool.h>

#include "phi3v.h"

enum { CERTAINTY_TOP = 5 }; /* how many of the most probable tokens are kept per position */

struct certain_token {
    float logprob;                           // of the token that was chosen; NAN: not known
    struct phi3v_logprob top[CERTAINTY_TOP]; // highest first; id -1 ends the list
};

struct certainty {
    struct certain_token *v; // [n]
    size_t n;
};

void certainty_free(struct certainty *c);
bool certainty_copy(struct certainty *to, const struct certainty *from); /* to is overwritten */
/* Appends the first n tokens of a result; alternatives a thousand times less probable than the best
 * one are left out. False without memory. */
bool certainty_add(struct certainty *c, const struct phi3v_result *r, size_t n);
/* Makes the length n: surplus tokens are dropped, missing ones are unknown. False without
 * memory. */
bool certainty_resize(struct certainty *c, size_t n);

double certainty_probability(const struct certain_token *t); /* 0: not known */
/* The smallest of the tokens' probabilities; NAN when none is known. */
double certainty_least(const struct certainty *c);
/* The same for n log-probabilities, or NULL. */
double certainty_least_of(const float *logprobs, size_t n);

/* The form kept in notebooks: one string per token, "LOGPROB ID:LOGPROB ID:LOGPROB …", with three
 * decimals. NULL without memory. */
json_t *certainty_json(const struct certainty *c);
/* Reads that form; false when the list does not have it, and *ret is then empty. */
bool certainty_read(const json_t *list, struct certainty *ret);

#endif
