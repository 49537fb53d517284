/* SPDX-License-Identifier: MIT
 * Compiles a JSON Schema to a grammar: one rule for each schema in it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "schema/compiled.h"
#include "schema/compiler.h"
#include "schema/exclusive.h"
#include "schema/number_rules.h"
#include "schema/text_rules.h"

enum {
    MAX_SCHEMAS = 5000, // in one schema
    MAX_DEPTH = 200,    // of nested schemas
    MAX_BRANCHES = 200  // of anyOf, oneOf
};

bool lost(const struct compiler *c) { return c->r.rc || c->g.failed; }

/* -- Any value --------------------------------------------------------------------------------- */

static int32_t any_object_rule(struct compiler *c)
{
    if (c->any_object >= 0) return c->any_object;
    json_t *schema = json_object();
    if (!schema) c->g.failed = true;
    c->any_object = schema ? object_rule(c, schema) : 0;
    json_decref(schema);
    return c->any_object;
}

/* The rule is registered before the rules of its contents are built, because these may contain any
 * value again. */
int32_t any_rule(struct compiler *c)
{
    if (c->any >= 0) return c->any;
    struct grammar *g = &c->g;
    c->any = grammar_rule(g);
    int32_t start = grammar_start(&c->g, c->any), end = grammar_state(&c->g, c->any);
    grammar_final(g, end);
    json_t *array = json_object();
    if (!array) g->failed = true;
    grammar_call(g, start, rule_string(g, 0, NO_LIMIT), end);
    grammar_call(g, start, rule_any_number(g, false), end);
    grammar_call(g, start, any_object_rule(c), end);
    grammar_call(g, start, array ? array_rule(c, array) : 0, end);
    grammar_skip(g, literal(c, start, "true"), ACT_NONE, end);
    grammar_skip(g, literal(c, start, "false"), ACT_NONE, end);
    grammar_skip(g, literal(c, start, "null"), ACT_NONE, end);
    json_decref(array);
    return c->any;
}

/* -- One schema -------------------------------------------------------------------------------- */

static void by_types(struct compiler *c, const json_t *schema, int types, int32_t start,
                     int32_t end)
{
    struct grammar *g = &c->g;
    if (types & TYPE_NULL) grammar_skip(g, literal(c, start, "null"), ACT_NONE, end);
    if (types & TYPE_BOOLEAN) {
        grammar_skip(g, literal(c, start, "true"), ACT_NONE, end);
        grammar_skip(g, literal(c, start, "false"), ACT_NONE, end);
    }
    if (types & TYPE_STRING) grammar_call(g, start, string_rule(c, schema), end);
    if (types & TYPE_NUMBER) grammar_call(g, start, number_rule(c, schema, false), end);
    if (types & TYPE_INTEGER && !(types & TYPE_NUMBER))
        grammar_call(g, start, number_rule(c, schema, true), end);
    if (types & TYPE_ARRAY) grammar_call(g, start, array_rule(c, schema), end);
    if (types & TYPE_OBJECT) grammar_call(g, start, object_rule(c, schema), end);
}

/* enum or const: allows those values that have the schema's types. */
static void by_values(struct compiler *c, const json_t *schema, int32_t start, int32_t end)
{
    const json_t *list = json_object_get(schema, "enum"), *only = json_object_get(schema, "const");
    int types = json_object_get(schema, "type") ? read_types(&c->r, schema, 0) : 0;
    read_alone(&c->r, schema, only ? "const" : "enum", KEYWORD_TYPE);
    if (!only && !json_array_size(list))
        reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"enum\" is a list of values");
    size_t n = only ? 1 : json_array_size(list);
    for (size_t i = 0; i < n && !lost(c); i++) {
        const json_t *value = only ? only : json_array_get(list, i);
        int type = type_of_value(value);
        bool fits = !types || types & type || (type == TYPE_INTEGER && types & TYPE_NUMBER);
        if (fits) grammar_skip(&c->g, value_literal(c, start, value), ACT_NONE, end);
    }
}

static void by_reference(struct compiler *c, const json_t *schema, int32_t start, int32_t end)
{
    const char *to = json_string_value(json_object_get(schema, "$ref"));
    read_alone(&c->r, schema, "$ref", 0);
    if (!to) reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"$ref\" is a string");
    if (lost(c)) return;
    const json_t *target = schema_at(c->root, to);
    if (!target && *to != '#')
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED,
                      "\"$ref\" \"%.80s\" leads out of the schema, which is not supported", to);
    if (!target) reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"$ref\" \"%.80s\" points to nothing", to);
    if (!lost(c)) grammar_call(&c->g, start, value_rule(c, target), end);
}

/* Checks that any two of them exclude each other; otherwise oneOf would mean more than anyOf. */
static void check_one_of(struct compiler *c, const json_t *list)
{
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n && !lost(c); i++)
        for (size_t k = 0; k < i; k++)
            if (!schemas_exclude(c->root, json_array_get(list, k), json_array_get(list, i),
                                 &c->work))
                reader_refuse(&c->r, PHI3V_E_UNSUPPORTED,
                              "\"oneOf\" is supported where its schemas exclude each other, and "
                              "number %zu and %zu may have a value in common: \"anyOf\" takes both",
                              k + 1, i + 1);
}

static void by_branches(struct compiler *c, const json_t *schema, const char *keyword,
                        int32_t start, int32_t end)
{
    const json_t *list = json_object_get(schema, keyword);
    size_t n = json_array_size(list);
    read_alone(&c->r, schema, keyword, 0);
    if (!n) reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"%s\" is a list of schemas", keyword);
    if (n > MAX_BRANCHES || (n > 1 && !strcmp(keyword, "allOf")))
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "\"%s\" of more than %d is not supported",
                      keyword, n > MAX_BRANCHES ? MAX_BRANCHES : 1);
    if (!strcmp(keyword, "oneOf")) check_one_of(c, list);
    for (size_t i = 0; i < n && !lost(c); i++) {
        char word[60];
        snprintf(word, sizeof word, "%s/%zu", keyword, i);
        size_t path = reader_enter(&c->r, word);
        grammar_call(&c->g, start, value_rule(c, json_array_get(list, i)), end);
        reader_leave(&c->r, path);
    }
}

static void compile_value(struct compiler *c, const json_t *schema, int32_t rule)
{
    static const char *const branching[] = {"anyOf", "oneOf", "allOf"};
    int32_t start = grammar_start(&c->g, rule), end = grammar_state(&c->g, rule);
    grammar_final(&c->g, end);
    if (json_is_true(schema)) grammar_call(&c->g, start, any_rule(c), end);
    if (json_is_boolean(schema)) return; // false allows nothing
    if (!json_is_object(schema)) {
        reader_refuse(&c->r, PHI3V_E_ARGUMENT, "it is neither an object nor true or false");
        return;
    }
    if (schema != c->root && json_object_get(schema, "$id"))
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "\"$id\" is supported at the top alone");
    int kinds = read_keywords(&c->r, schema);
    if (lost(c)) return;
    const json_t *nullable = json_object_get(schema, "nullable");
    if (json_is_true(nullable)) grammar_skip(&c->g, literal(c, start, "null"), ACT_NONE, end);
    if (json_object_get(schema, "$ref")) {
        by_reference(c, schema, start, end);
        return;
    }
    for (int i = 0; i < 3; i++)
        if (json_object_get(schema, branching[i])) {
            by_branches(c, schema, branching[i], start, end);
            return;
        }
    if (kinds & KEYWORD_VALUES) {
        by_values(c, schema, start, end);
        return;
    }
    int types = read_types(&c->r, schema, kinds);
    if (types == TYPE_ANY && !(kinds & ~(KEYWORD_NOTE | KEYWORD_DEFS)))
        grammar_call(&c->g, start, any_rule(c), end);
    else if (!lost(c))
        by_types(c, schema, types, start, end);
}

/* The rule is registered before the schemas inside are compiled, because they may refer to it. */
int32_t value_rule(struct compiler *c, const json_t *schema)
{
    if (lost(c)) return 0;
    for (int i = 0; i < c->n_known; i++)
        if (c->known[i].schema == schema && !json_is_boolean(schema)) return c->known[i].rule;
    struct known *grown = memory_room(c->known, (size_t)c->n_known, sizeof *grown);
    if (!grown) c->g.failed = true;
    if (c->n_known == MAX_SCHEMAS || c->depth == MAX_DEPTH)
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "it has too many parts, or too deep ones");
    if (grown) c->known = grown;
    if (lost(c)) return 0;
    int32_t rule = grammar_rule(&c->g);
    c->known[c->n_known++] = (struct known){schema, rule};
    c->depth++;
    compile_value(c, schema, rule);
    c->depth--;
    return rule;
}

/* -- The whole --------------------------------------------------------------------------------- */

/* Allows a blank first, because a tokenizer may begin every text with one. */
static int32_t document_rule(struct compiler *c, int32_t value)
{
    int32_t rule = grammar_rule(&c->g), start = grammar_start(&c->g, rule),
            end = grammar_state(&c->g, rule);
    grammar_final(&c->g, end);
    grammar_call(&c->g, start, value, end);
    grammar_call(&c->g, grammar_then(&c->g, start, ' '), value, end);
    return rule;
}

static int refuse_whole(struct compiler *c, int32_t document)
{
    if (c->g.large)
        return reader_refuse(&c->r, PHI3V_E_UNSUPPORTED,
                             "it is too large: fewer or smaller patterns, lists and lengths would "
                             "fit");
    if (c->g.failed) return memory_error(c->r.err);
    if (c->g.states[grammar_start(&c->g, document)].height > MAX_NESTING)
        return reader_refuse(&c->r, PHI3V_E_ARGUMENT, "no value satisfies it");
    if (grammar_is_circular(&c->g))
        return reader_refuse(&c->r, PHI3V_E_ARGUMENT,
                             "\"$ref\" leads back to itself, with nothing between");
    return c->g.failed ? memory_error(c->r.err) : 0;
}

static int finish(struct compiler *c, int32_t value, struct schema **ret)
{
    if (c->r.rc) return c->r.rc;
    int32_t document = document_rule(c, value);
    if (!grammar_finish(&c->g)) c->g.failed = true;
    int rc = refuse_whole(c, document);
    if (rc) return rc;
    struct schema *s = memory_zero(1, sizeof *s);
    if (!s) return memory_error(c->r.err);
    s->grammar = c->g;
    s->document = document;
    c->g = (struct grammar){0};
    *ret = s;
    return 0;
}

static int compile(const json_t *schema, struct schema **ret, struct phi3v_error *err)
{
    struct compiler c = {.r.err = err, .root = schema, .gap = -1, .any = -1, .any_object = -1};
    int32_t value = schema ? value_rule(&c, schema) : any_object_rule(&c);
    int rc = finish(&c, value, ret);
    grammar_free(&c.g);
    free(c.known);
    text_free(&c.r.path);
    return rc;
}

int schema_compile(const json_t *schema, struct schema **ret, struct phi3v_error *err)
{
    return compile(schema, ret, err);
}

int schema_any_object(struct schema **ret, struct phi3v_error *err)
{
    return compile(NULL, ret, err);
}

void schema_free(struct schema *schema)
{
    if (!schema) return;
    grammar_free(&schema->grammar);
    free(schema);
}
