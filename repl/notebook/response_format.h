/* SPDX-License-Identifier: MIT
 * The form required of answers: JSON by a schema, or any text. */
#ifndef NOTEBOOK_RESPONSE_FORMAT_H
#define NOTEBOOK_RESPONSE_FORMAT_H

#include "schema/schema.h"

struct response_format {
    json_t *json; // NULL: any text
    struct schema *schema;
    struct vocabulary *vocabulary; // of the model in use; NULL: not built yet
};

/* Keeps its own reference to json. Errors: as schema_compile; then nothing has changed. */
int response_format_set(struct response_format *f, json_t *json, struct phi3v_error *err);
void response_format_free(struct response_format *f);
/* From now on another model answers. */
void response_format_forget_model(struct response_format *f);
/* Begins an answer of the model; *ret NULL: any text. Errors: MEMORY. */
int response_format_begin(struct response_format *f, const phi3v_model *model, struct binding **ret,
                          struct phi3v_error *err);
/* The "response_format" of a request to a server; NULL without memory. */
json_t *response_format_json(const struct response_format *f);

#endif
