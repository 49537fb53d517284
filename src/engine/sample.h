/* SPDX-License-Identifier: MIT
 * From logits to the next token, in the reference's order (docs/model.md, Choosing the next token):
 * repetition penalty, temperature, top-k, top-p, min-p, softmax, draw. Allocates only in
 * sampler_new.
 *
 * The random numbers come from xoshiro256**, whose four words are the first four outputs of
 * splitmix64 started at the seed. Each drawn token uses one number u = (next >> 11) * 2^-53 and is
 * the first token, from the most probable down, at which the running sum of probabilities exceeds
 * u. These probabilities are integers (draw.h). Greedy choice uses no random number. */
#ifndef ENGINE_SAMPLE_H
#define ENGINE_SAMPLE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/err.h"
#include "draw.h"

struct sampler;

/* Errors: ARGUMENT, with the parameter, its value and what is allowed. */
int params_check(const struct phi3v_params *params, struct phi3v_error *err);

int sampler_new(int n_vocab, struct sampler **ret, struct phi3v_error *err);
void sampler_free(struct sampler *s);
/* Begins a new answer: no id seen, the random stream at its start, every token allowed. */
void sampler_start(struct sampler *s, const struct phi3v_params *params);
/* Sets this answer's constraint and the tokens that end it, of which the first n_silent add no
 * text. Both are borrowed until the answer ends. */
void sampler_constrain(struct sampler *s, const struct phi3v_constraint *constraint,
                       const int32_t *stop_ids, int n_stop_ids, int n_silent);
bool sampler_is_constrained(const struct sampler *s);
/* Makes the repetition penalty apply to this id; ids outside the vocabulary are ignored. */
void sampler_saw(struct sampler *s, int32_t id);
/* Why no token can be picked. */
enum {
    PICK_NO_NUMBERS = -1, /* a logit is NaN, or the largest is infinite */
    PICK_NOTHING = -2     /* the constraint allows none */
};
/* The next token, or why there is none. logits: [n_vocab]. */
int32_t sampler_pick(struct sampler *s, const float *logits);
/* With params.logprobs: the last pick's log-probability, and the most probable [sampler_n_top]. */
float sampler_logprob(const struct sampler *s);
const struct phi3v_logprob *sampler_top(const struct sampler *s);
int sampler_n_top(const struct sampler *s); /* 0: not asked for */
/* For a device that draws by itself: the answer's settings, the present state of the random stream,
 * and which ids were seen [n_vocab]; borrowed until the next call that changes them. */
const struct draw *sampler_draw(const struct sampler *s);
const unsigned char *sampler_seen(const struct sampler *s);
/* The device drew a token: advances the random stream as a pick would have. */
void sampler_drew(struct sampler *s);
/* How many tokens the filters leave (greedy: 1), or PICK_NO_NUMBERS. sampler_kept gives the i-th of
 * them, the most probable first and the higher id first among equals. */
int sampler_filter(struct sampler *s, const float *logits);
void sampler_kept(const struct sampler *s, int i, int32_t *ret_id, float *ret_probability);

#endif
