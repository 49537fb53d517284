/* SPDX-License-Identifier: MIT
 * An answer as it grows: ids become text that is certain, and something ends it. Who computes the
 * next id, alone or beside other answers, is the business of generate.c and batch.c. */
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
    int32_t stop_ids[MAX_STOP_IDS]; // first those that add nothing to the text
    int n_stop_ids, n_silent;
    struct detok *detok; // NULL for a model without a tokenizer
    int32_t *ids;        // [cap]
    size_t *text_ends;   // [cap] bytes of text that are certain behind each id
    int n_top;           // most probable tokens told with each, 0: neither they nor its probability
    float *logprobs;     // [cap]
    struct phi3v_logprob *top; // [cap][n_top]
    size_t n, cap;
    struct buf text;
    size_t n_sent; // bytes of text given to the caller
    bool by_id;    // a stop id ended it
    bool cut;      // a stop string did, and the text is cut there
    enum phi3v_finish finish;
};

/* The loop's place: the newest id, what became of it, and whether the answer ends with it. */
struct decode_loop {
    struct answer *a;
    struct phi3v_session *s;
    struct phi3v_error *err;
    int32_t id;
    int rc;
    bool ends;
};

/* The most tokens that may follow the prompt; 1 lets session_load say what is too long. */
size_t answer_room(const struct phi3v_session *s, const struct phi3v_prompt *prompt,
                   int max_new_tokens);
/* All memory of an answer of at most cap ids, so that no step allocates; params and task are set.
 * Errors: MEMORY. */
int answer_init(struct answer *a, struct phi3v_session *s, const struct phi3v_prompt *prompt,
                size_t cap, struct phi3v_error *err);
void answer_fini(struct answer *a);
/* The session's sampler begins, having seen the prompt, under the answer's constraint (NULL: none).
 */
void answer_show_prompt(const struct answer *a, struct phi3v_session *s,
                        const struct phi3v_prompt *prompt,
                        const struct phi3v_constraint *constraint);
/* Shows a chosen id to a struct decode_loop; a->finish says how things stand with it. Non-zero: no further
 * one is wanted. */
int answer_on_id(struct decode_loop *turn, int32_t id);
/* Gives out what was held back: an incomplete character, the possible beginning of a stop string.
 */
int answer_flush(struct answer *a, struct phi3v_error *err);
/* Ids, text and timing become the caller's; ret->size is set. */
void answer_hand_over(struct answer *a, struct phi3v_result *ret);

#endif
