/* SPDX-License-Identifier: MIT
 * Answers that are JSON by a schema. A schema is compiled once; the tokens of a model are sorted
 * once; each answer then has a binding of its own, whose constraint goes into phi3v_params or a job:
 *
 *     schema_compile(json, &schema, &err);  vocabulary_new(model, &vocabulary, &err);
 *     binding_new(schema, vocabulary, &binding, &err);
 *     params.constraint = binding_constraint(binding);
 *
 * What a bound answer says at any moment can be gone on with to a valid text, and it ends only where
 * it is one; an answer that is cut off (PHI3V_FINISH_LENGTH) is the beginning of one. */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

#include "phi3v.h"

struct schema;     /* immutable, may be shared by threads */
struct vocabulary; /* the same */
struct binding;    /* of one answer */

/* docs/schema.md has what is understood. Errors: UNSUPPORTED names the keyword and its place
 * ("#/properties/a"); ARGUMENT: it is no schema, or nothing satisfies it; MEMORY. */
int schema_compile(const json_t *schema, struct schema **ret, struct phi3v_error *err);
/* Any JSON object. */
int schema_any_object(struct schema **ret, struct phi3v_error *err);
void schema_free(struct schema *schema);

/* The model may be closed afterwards. Errors: MEMORY. */
int vocabulary_new(const phi3v_model *model, struct vocabulary **ret, struct phi3v_error *err);
void vocabulary_free(struct vocabulary *vocabulary);

/* Borrows both. Errors: MEMORY. */
int binding_new(const struct schema *schema, const struct vocabulary *vocabulary,
                struct binding **ret, struct phi3v_error *err);
void binding_free(struct binding *binding);
/* Lives as long as the binding. */
const struct phi3v_constraint *binding_constraint(const struct binding *binding);
/* Back to the beginning, for another answer. */
void binding_restart(struct binding *binding);
/* What was said so far is a whole value. */
bool binding_is_complete(const struct binding *binding);
/* Memory was missing on the way: the answer then ends with an error of the constraint. */
bool binding_failed(const struct binding *binding);

#endif
