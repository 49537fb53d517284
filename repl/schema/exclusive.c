/* SPDX-License-Identifier: MIT */
#include "schema/exclusive.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "common/text.h"
#include "schema/keywords.h"

enum {
    MAX_LOOKS = 20,           // at nested schemas
    MAX_COMPARISONS = 1000000 // of two schemas or values; beyond these, nothing is proved
};

/* -- References -------------------------------------------------------------------------------- */

/* Reads one word of a pointer, up to the next slash, and decodes ~1, ~0 and %41. Returns what
 * follows. */
static const char *read_word(const char *at, char *word, size_t cap)
{
    size_t n = 0;
    for (; *at && *at != '/'; at++) {
        char c = *at;
        if (c == '~' && (at[1] == '0' || at[1] == '1')) c = *++at == '1' ? '/' : '~';
        if (c == '%' && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0) {
            c = (char)(hex_digit(at[1]) << 4 | hex_digit(at[2]));
            at += 2;
        }
        if (n + 1 < cap) word[n++] = c;
    }
    word[n] = 0;
    return *at ? at + 1 : at;
}

const json_t *schema_at(const json_t *root, const char *reference)
{
    char word[300], *end;
    if (!strcmp(reference, "#")) return root;
    if (strncmp(reference, "#/", 2) != 0) return NULL;
    const char *at = reference + 2;
    bool more = true;
    for (const json_t *node = root; node;) {
        if (!more) return node;
        more = strchr(at, '/') != NULL;
        at = read_word(at, word, sizeof word);
        if (json_is_array(node)) {
            size_t i = strtoul(word, &end, 10);
            node = *word && !*end ? json_array_get(node, i) : NULL;
        } else {
            node = json_object_get(node, word);
        }
    }
    return NULL;
}

/* -- Two schemas ------------------------------------------------------------------------------- */

struct look {
    const json_t *root;
    int depth;
    long *work; // comparisons so far
};

static bool exclude(struct look l, const json_t *a, const json_t *b);

/* Follows references, and schemas that only name another. NULL: they form a cycle. */
static const json_t *meant(const json_t *root, const json_t *schema)
{
    for (int i = 0; schema && i < MAX_LOOKS; i++) {
        const char *reference = json_string_value(json_object_get(schema, "$ref"));
        const json_t *all = json_object_get(schema, "allOf");
        if (reference)
            schema = schema_at(root, reference);
        else if (json_array_size(all) == 1)
            schema = json_array_get(all, 0);
        else
            return schema;
    }
    return NULL;
}

/* The i-th value of the schema's enum or const, or NULL. */
static const json_t *value_at(const json_t *schema, size_t i)
{
    const json_t *only = json_object_get(schema, "const");
    return only ? i ? NULL : only : json_array_get(json_object_get(schema, "enum"), i);
}

static const json_t *branches(const json_t *schema)
{
    const json_t *any = json_object_get(schema, "anyOf");
    return any ? any : json_object_get(schema, "oneOf");
}

static bool is_nullable(const json_t *schema)
{
    return json_is_true(json_object_get(schema, "nullable"));
}

/* The types of its values, integers counting as numbers; `written`: of the values that we write,
 * where a schema without a type is taken to have the one that its keywords are about. */
static int types_of(const json_t *schema, bool written)
{
    struct reader quiet = {0};
    int types = 0;
    for (size_t i = 0; value_at(schema, i); i++) types |= type_of_value(value_at(schema, i));
    if (!types) types = read_types(&quiet, schema, written ? read_keywords(&quiet, schema) : 0);
    if (is_nullable(schema)) types |= TYPE_NULL;
    return types & TYPE_INTEGER ? (types & ~TYPE_INTEGER) | TYPE_NUMBER : types;
}

/* The types that a value written for one schema may have and that also meet the other. */
static int common_types(const json_t *a, const json_t *b)
{
    return (types_of(a, true) & types_of(b, false)) | (types_of(a, false) & types_of(b, true));
}

static bool same_value(const json_t *a, const json_t *b)
{
    if (json_is_number(a) && json_is_number(b)) return json_number_value(a) == json_number_value(b);
    return json_equal(a, b);
}

static bool values_exclude(struct look l, const json_t *a, const json_t *b)
{
    if (!value_at(a, 0) || !value_at(b, 0)) return false;
    for (size_t i = 0; value_at(a, i); i++)
        for (size_t k = 0; value_at(b, k); k++)
            if (++*l.work > MAX_COMPARISONS || same_value(value_at(a, i), value_at(b, k)))
                return false;
    return true;
}

/* Whether a requires a property that b cannot have in that form. */
static bool property_excludes(struct look l, const json_t *a, const json_t *b)
{
    const json_t *required = json_object_get(a, "required");
    bool closed = json_is_false(json_object_get(b, "additionalProperties"));
    for (size_t i = 0; i < json_array_size(required); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        if (!name) continue;
        const json_t *of_a = json_object_get(json_object_get(a, "properties"), name);
        const json_t *of_b = json_object_get(json_object_get(b, "properties"), name);
        if (!of_b && closed) return true;
        if (of_a && of_b && exclude(l, of_a, of_b)) return true;
    }
    return false;
}

static bool all_exclude(struct look l, const json_t *list, const json_t *b)
{
    for (size_t i = 0; i < json_array_size(list); i++)
        if (!exclude(l, json_array_get(list, i), b)) return false;
    return true;
}

static bool exclude(struct look l, const json_t *a, const json_t *b)
{
    if (++l.depth > MAX_LOOKS || ++*l.work > MAX_COMPARISONS) return false;
    a = meant(l.root, a);
    b = meant(l.root, b);
    if (json_is_false(a) || json_is_false(b)) return true;
    if (!json_is_object(a) || !json_is_object(b)) return false;
    const json_t *split = branches(a) ? a : branches(b) ? b : NULL, *other = split == a ? b : a;
    if (split)
        return !(is_nullable(split) && types_of(other, false) & TYPE_NULL) &&
               all_exclude(l, branches(split), other);
    int common = common_types(a, b);
    if (!common || (!(common & TYPE_NULL) && values_exclude(l, a, b))) return true;
    return common == TYPE_OBJECT && (property_excludes(l, a, b) || property_excludes(l, b, a));
}

bool schemas_exclude(const json_t *root, const json_t *a, const json_t *b, long *work)
{
    return exclude((struct look){.root = root, .work = work}, a, b);
}
