/* SPDX-License-Identifier: MIT */
#include "schema/keywords.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    int kind; // 0: not supported
} keyword_table[] = {
    {"$schema", KEYWORD_NOTE},
    {"$id", KEYWORD_NOTE},
    {"$comment", KEYWORD_NOTE},
    {"title", KEYWORD_NOTE},
    {"description", KEYWORD_NOTE},
    {"default", KEYWORD_NOTE},
    {"example", KEYWORD_NOTE},
    {"examples", KEYWORD_NOTE},
    {"deprecated", KEYWORD_NOTE},
    {"readOnly", KEYWORD_NOTE},
    {"writeOnly", KEYWORD_NOTE},
    {"$defs", KEYWORD_DEFS},
    {"definitions", KEYWORD_DEFS},
    {"type", KEYWORD_TYPE},
    {"nullable", KEYWORD_NOTE}, // it only allows more
    {"enum", KEYWORD_VALUES},
    {"const", KEYWORD_VALUES},
    {"$ref", KEYWORD_OTHER},
    {"anyOf", KEYWORD_OTHER},
    {"oneOf", KEYWORD_OTHER},
    {"allOf", KEYWORD_OTHER},
    {"minLength", KEYWORD_STRING},
    {"maxLength", KEYWORD_STRING},
    {"pattern", KEYWORD_STRING},
    {"format", KEYWORD_STRING},
    {"minimum", KEYWORD_NUMBER},
    {"maximum", KEYWORD_NUMBER},
    {"exclusiveMinimum", KEYWORD_NUMBER},
    {"exclusiveMaximum", KEYWORD_NUMBER},
    {"multipleOf", KEYWORD_NUMBER},
    {"items", KEYWORD_ARRAY},
    {"prefixItems", KEYWORD_ARRAY},
    {"minItems", KEYWORD_ARRAY},
    {"maxItems", KEYWORD_ARRAY},
    {"uniqueItems", KEYWORD_ARRAY},
    {"properties", KEYWORD_OBJECT},
    {"required", KEYWORD_OBJECT},
    {"additionalProperties", KEYWORD_OBJECT},
    {"minProperties", KEYWORD_OBJECT},
    {"maxProperties", KEYWORD_OBJECT},
    {"$anchor", 0},
    {"$dynamicRef", 0},
    {"$dynamicAnchor", 0},
    {"not", 0},
    {"if", 0},
    {"then", 0},
    {"else", 0},
    {"contains", 0},
    {"minContains", 0},
    {"maxContains", 0},
    {"additionalItems", 0},
    {"unevaluatedItems", 0},
    {"patternProperties", 0},
    {"propertyNames", 0},
    {"dependencies", 0},
    {"dependentRequired", 0},
    {"dependentSchemas", 0},
    {"unevaluatedProperties", 0},
    {"contentEncoding", 0},
    {"contentMediaType", 0},
    {"contentSchema", 0},
};
enum { N_KEYWORDS = (int)(sizeof keyword_table / sizeof *keyword_table) };

/* -- The place --------------------------------------------------------------------------------- */

int reader_refuse(struct reader *r, int code, const char *format, ...)
{
    char text[300];
    va_list args;
    if (r->rc) return r->rc;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    r->rc = refuse(r->err, code, "the schema at %.160s: %s", r->path.s ? r->path.s : "#", text);
    return r->rc;
}

size_t reader_enter(struct reader *r, const char *word)
{
    size_t n = r->path.n;
    text_add(&r->path, n ? "/" : "#/");
    text_add(&r->path, word);
    return n;
}

void reader_leave(struct reader *r, size_t n)
{
    r->path.n = n;
    if (r->path.s) r->path.s[n] = 0;
    if (n == 0) text_free(&r->path);
}

/* -- Keywords ---------------------------------------------------------------------------------- */

/* The keyword's kind; -1: unknown. */
static int kind_of(const char *name)
{
    if (!strncmp(name, "x-", 2)) return KEYWORD_NOTE;
    for (int i = 0; i < N_KEYWORDS; i++)
        if (!strcmp(keyword_table[i].name, name)) return keyword_table[i].kind;
    return -1;
}

int read_keywords(struct reader *r, const json_t *schema)
{
    int kinds = 0;
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)schema, name, value)
    {
        int kind = kind_of(name);
        if (kind < 0)
            reader_refuse(r, PHI3V_E_UNSUPPORTED, "\"%.60s\" is no keyword that is known here",
                          name);
        else if (kind == 0)
            reader_refuse(r, PHI3V_E_UNSUPPORTED, "\"%s\" is not supported", name);
        kinds |= kind < 0 ? 0 : kind;
    }
    return kinds;
}

void read_alone(struct reader *r, const json_t *schema, const char *keyword, int kinds)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)schema, name, value)
    {
        int kind = kind_of(name);
        if (!strcmp(name, keyword) || kind & (KEYWORD_NOTE | KEYWORD_DEFS | kinds)) continue;
        reader_refuse(r, PHI3V_E_UNSUPPORTED, "\"%s\" beside \"%s\" is not supported", name,
                      keyword);
    }
}

/* -- Types ------------------------------------------------------------------------------------- */

/* 0: no type has this name. */
static int type_named(const char *name)
{
    static const char *const names[] = {"null",   "boolean", "integer", "number",
                                        "string", "array",   "object"};
    for (int i = 0; name && i < 7; i++)
        if (!strcmp(names[i], name)) return 1 << i;
    return 0;
}

int type_of_value(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_NULL:
        return TYPE_NULL;
    case JSON_TRUE:
    case JSON_FALSE:
        return TYPE_BOOLEAN;
    case JSON_INTEGER:
        return TYPE_INTEGER;
    case JSON_REAL:
        return floor(json_real_value(value)) == json_real_value(value) ? TYPE_INTEGER : TYPE_NUMBER;
    case JSON_STRING:
        return TYPE_STRING;
    case JSON_ARRAY:
        return TYPE_ARRAY;
    case JSON_OBJECT:
        break;
    }
    return TYPE_OBJECT;
}

static int one_type(struct reader *r, const json_t *name)
{
    int type = type_named(json_string_value(name));
    if (!type)
        reader_refuse(
            r, PHI3V_E_ARGUMENT,
            "\"type\" is one of null, boolean, integer, number, string, array, object, or "
            "a list of these");
    return type;
}

int read_types(struct reader *r, const json_t *schema, int kinds)
{
    const json_t *named = json_object_get(schema, "type");
    int types = 0;
    if (!named) {
        if (kinds & KEYWORD_STRING) types |= TYPE_STRING;
        if (kinds & KEYWORD_NUMBER) types |= TYPE_NUMBER;
        if (kinds & KEYWORD_ARRAY) types |= TYPE_ARRAY;
        if (kinds & KEYWORD_OBJECT) types |= TYPE_OBJECT;
        return types ? types : TYPE_ANY;
    }
    if (!json_is_array(named)) return one_type(r, named);
    for (size_t i = 0; i < json_array_size(named); i++)
        types |= one_type(r, json_array_get(named, i));
    return types;
}

/* -- Values ------------------------------------------------------------------------------------ */

int32_t read_count(struct reader *r, const json_t *schema, const char *keyword, int32_t fallback)
{
    const json_t *value = json_object_get(schema, keyword);
    double n = json_number_value(value);
    if (!value) return fallback;
    if (json_is_number(value) && n >= 0 && floor(n) == n)
        return n < 0x7ffffffe ? (int32_t)n : 0x7ffffffe;
    reader_refuse(r, PHI3V_E_ARGUMENT, "\"%s\" is a whole number, 0 or more", keyword);
    return fallback;
}
