/* SPDX-License-Identifier: MIT
 * The compiler of schemas, for its own files only: compile.c walks a schema, scalars.c makes the
 * rules of values without parts, and containers.c those of objects and arrays. */
#ifndef SCHEMA_COMPILER_H
#define SCHEMA_COMPILER_H

#include "schema/grammar.h"
#include "schema/keywords.h"

struct known { // a schema that already has a rule
    const json_t *schema;
    int32_t rule;
};

struct compiler {
    struct reader r;
    struct grammar g;
    const json_t *root;
    struct known *known; // [n_known]
    int n_known, depth;
    long work;                    // done for showing that schemas exclude each other
    int32_t gap, any, any_object; // rules; -1: not made yet
};

/* Whether the schema was refused or memory is missing, so that nothing else matters. */
bool lost(const struct compiler *c);

/* The rule of a schema, and of any value. */
int32_t value_rule(struct compiler *c, const json_t *schema);
int32_t any_rule(struct compiler *c);

/* The rules of a schema's keywords for one type. */
int32_t string_rule(struct compiler *c, const json_t *schema);
int32_t number_rule(struct compiler *c, const json_t *schema, bool integer);
int32_t array_rule(struct compiler *c, const json_t *schema);
int32_t object_rule(struct compiler *c, const json_t *schema);

/* The state after `from` and a text, or the text of a value. */
int32_t literal(struct compiler *c, int32_t from, const char *text);
int32_t value_literal(struct compiler *c, int32_t from, const json_t *value);

#endif
