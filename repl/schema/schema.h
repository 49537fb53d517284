/* SPDX-License-Identifier: MIT
 * Answers in JSON that follow a schema. A schema is compiled once, and a model's tokens are sorted
 * once; each answer then has its own binding, whose constraint goes into phi3v_params or a job:
 *
 *     schema_compile(json, &schema, &err);  vocabulary_new(model, &vocabulary, &err);
 *     binding_new(schema, vocabulary, &binding, &err);
 *     params.constraint = binding_constraint(binding);
 *
 * At any moment a bound answer can still become a valid text, and it ends only when it is one; an
 * answer that is cut off (PHI3V_FINISH_LENGTH) is the beginning of one. */
#ifndef SCHEMA_SCHEMA_H
#define SCHEMA_SCHEMA_H

#include <jansson.h>
#include <stdbool.h>

#include "phi3v.h"

struct schema;     /* immutable; threads may share it */
struct vocabulary; /* the same */
struct binding;    /* of one answer */

/* docs/schema.md says what is supported. Errors: UNSUPPORTED names the keyword and its place
 * ("#/properties/a"); ARGUMENT when it is not a schema or nothing satisfies it; MEMORY. */
int schema_compile(const json_t *schema, struct schema **ret, struct phi3v_error *err);
/* A schema that any JSON object satisfies. */
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
/* Goes back to the beginning, for another answer. */
void binding_restart(struct binding *binding);
/* Whether the text so far is a complete value. */
bool binding_is_complete(const struct binding *binding);
/* Whether memory was missing, because of which the constraint ended the answer with an error. */
bool binding_failed(const struct binding *binding);

#endif
