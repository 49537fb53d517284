/* SPDX-License-Identifier: MIT
 * An answer as it grows: turns ids into text that no later id can change, and decides when it ends.
 * generate.c (one answer) and batch.c (several) compute the ids. */
#ifndef ENGINE_ANSWER_H
#define ENGINE_ANSWER_H

#include <stdbool.h>

#include "base/buf.h"
#include "engine/session.h"

enum { MAX_STOP_IDS = CONFIG_MAX_EOS + 2 };

/* The answer so far. */
struct answer {
    const struct phi3v_params *params;
    struct task *task;
    int32_t stop_ids[MAX_STOP_IDS]; // the n_silent that add no text come first
    int n_stop_ids, n_silent;
    struct detok *detok; // NULL for a model without a tokenizer
    int32_t *ids;        // [cap]
    size_t *text_ends;   // [cap] bytes of final text after each id
    int n_top;           // most probable tokens reported with each; 0: no log-probabilities at all
    float *logprobs;     // [cap]
    struct phi3v_logprob *top; // [cap][n_top]
    size_t n, cap;
    struct buf text;
    size_t n_sent; // bytes of text given to the caller
    bool by_id;    // a stop id ended it
    bool cut;      // a stop string ended it, and the text is cut before that string
    enum phi3v_finish finish;
};

/* The state of the decode loop: the newest id, its error code, and whether it ends the answer. */
struct decode_loop {
    struct answer *a;
    struct phi3v_session *s;
    struct draft *draft; // NULL: none
    struct phi3v_error *err;
    int32_t id;
    int rc;
    bool ends;
};

/* The most tokens that may follow the prompt. When there is no room it is 1, and session_load
 * reports the error. */
size_t answer_room(const struct phi3v_session *s, const struct phi3v_prompt *prompt,
                   int max_new_tokens);
/* Allocates all that an answer of at most cap ids needs, so that no step allocates. params and task
 * must be set. Errors: MEMORY. */
int answer_init(struct answer *a, struct phi3v_session *s, const struct phi3v_prompt *prompt,
                size_t cap, struct phi3v_error *err);
void answer_fini(struct answer *a);
/* Starts the session's sampler, shows it the prompt and sets the constraint (NULL: none). */
void answer_show_prompt(const struct answer *a, struct phi3v_session *s,
                        const struct phi3v_prompt *prompt,
                        const struct phi3v_constraint *constraint);
/* Adds a chosen id to the answer and sets a->finish. Returns non-zero when the loop must stop. */
int answer_on_id(struct decode_loop *loop, int32_t id);
/* Hands out the text held back so far: an incomplete character, or what could have been the
 * beginning of a stop string. */
int answer_flush(struct answer *a, struct phi3v_error *err);
/* Moves ids, text and timing to the caller's result, whose size is set. */
void answer_hand_over(struct answer *a, struct phi3v_result *ret);

#endif
