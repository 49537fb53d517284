/* SPDX-License-Identifier: MIT
 * The text of an answer's tokens. */
#ifndef NOTEBOOK_TOKEN_TEXT_H
#define NOTEBOOK_TOKEN_TEXT_H

#include "notebook/core.h"

/* Whether the loaded model turns the cell's ids into its answer. It does not if another model
 * answered, for which the ids mean other words. */
bool token_text_fits(const struct notebook *nb, const struct cell *c);
/* Where the text of each token ends: ret_ends [n_ids] of the cell. A token that ends inside a
 * character has no text; the character belongs to the token that completes it. Errors: ARGUMENT
 * (the ids are not this model's), MEMORY, … */
int token_text_ends(const struct notebook *nb, const struct cell *c, size_t *ret_ends,
                    struct phi3v_error *err);
/* The text of id after the first n tokens of ids; free it with phi3v_string_free. Special tokens
 * are named. Errors: MEMORY, … */
int token_text_next(const struct notebook *nb, const int32_t *ids, size_t n, int32_t id, char **ret,
                    struct phi3v_error *err);

#endif
