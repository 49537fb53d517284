/* SPDX-License-Identifier: MIT
 * What answers have to be: JSON by a schema, or any text. */
#ifndef NOTEBOOK_BOUND_H
#define NOTEBOOK_BOUND_H

#include "schema/schema.h"

struct bound {
    json_t *json; // NULL: any text
    struct schema *schema;
    struct vocabulary *vocabulary; // of the model in use; NULL: not made yet
};

/* Takes a share of json. Errors: as schema_compile; then all is as it was. */
int bound_set(struct bound *b, json_t *json, struct phi3v_error *err);
void bound_free(struct bound *b);
/* Another model answers from now on. */
void bound_forget_model(struct bound *b);
/* For an answer of the model; *ret NULL: any text. Errors: MEMORY. */
int bound_begin(struct bound *b, const phi3v_model *model, struct binding **ret,
                struct phi3v_error *err);
/* "response_format" of a request to a server; NULL without memory. */
json_t *bound_response_format(const struct bound *b);

#endif
