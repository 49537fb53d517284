/* SPDX-License-Identifier: MIT
 * An answer's tokens as pieces of its text. */
#ifndef NOTEBOOK_TOKEN_TEXT_H
#define NOTEBOOK_TOKEN_TEXT_H

#include "notebook/core.h"

/* Whether the cell's ids make its answer with the loaded model. They do not where another model
 * answered: its ids are other words here. */
bool token_text_fits(const struct notebook *nb, const struct cell *c);
/* Where the text of each token ends: ret_ends [n_ids] of the cell. A token that ends within a
 * letter has none of its own; its letter belongs to the token that completes it. Errors: ARGUMENT
 * (the ids are not this model's), MEMORY, … */
int token_text_ends(const struct notebook *nb, const struct cell *c, size_t *ret_ends,
                    struct phi3v_error *err);
/* What id would say behind the first n tokens of ids; to be freed with phi3v_string_free. Special
 * tokens are named. Errors: MEMORY, … */
int token_text_next(const struct notebook *nb, const int32_t *ids, size_t n, int32_t id, char **ret,
                    struct phi3v_error *err);

#endif
