/* SPDX-License-Identifier: MIT
 * What an answer may turn out to be, as an earlier answer to nearly the same question: while the
 * tokens drawn are those of the draft, the next ones are computed along with them, several rows in
 * one pass. The answer is the one that single steps would give, token for token: a row's bits do
 * not depend on the rows beside it, and what follows a token that was not drawn is dropped. */
#ifndef ENGINE_DRAFT_H
#define ENGINE_DRAFT_H

#include "engine/session.h"

enum { DRAFT_ROWS = 8 }; /* the most that one pass computes; a power of two */

struct draft {
    const int32_t *ids; // [n]; borrowed
    size_t n;
    size_t at;      // where the answer stands in it
    bool follows;   // the newest token is the one before `at`
    int32_t newest; // token of the answer
    size_t n_ahead; // how many tokens to guess at next: 1, 3 or DRAFT_ROWS - 1
    float *logits;  // [DRAFT_ROWS][n_vocab]
};

/* Takes params->draft, up to the first number that is no token. Error: MEMORY. */
int draft_init(struct draft *d, const struct phi3v_params *params, int n_vocab,
               struct phi3v_error *err);
void draft_fini(struct draft *d);
/* session_decode with the draft's help; NULL: without. */
int draft_decode(struct draft *d, struct phi3v_session *s, int32_t id, size_t n,
                 backend_id_fn on_id, void *user, struct task *task, struct phi3v_error *err);

#endif
