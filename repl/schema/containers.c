/* SPDX-License-Identifier: MIT */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "schema/compiler.h"
#include "schema/text_rules.h"

enum {
    MAX_PROPERTIES = 500, // of an object
    MAX_INDENT = 32       // blanks after a line break
};

/* -- Small steps ------------------------------------------------------------------------------- */

static int32_t new_state(struct compiler *c, int32_t rule) { return grammar_state(&c->g, rule); }

static int32_t start_of(struct compiler *c, int32_t rule) { return grammar_start(&c->g, rule); }

/* What may come between two parts of an object or array: nothing, a blank, or a line break and an
 * indent. Without a limit, a model that has lost its way writes blanks for ever. */
static int32_t gap_rule(struct compiler *c)
{
    if (c->gap >= 0) return c->gap;
    c->gap = grammar_rule(&c->g);
    int32_t at = start_of(c, c->gap);
    grammar_final(&c->g, at);
    grammar_final(&c->g, grammar_then(&c->g, at, ' '));
    at = grammar_then(&c->g, at, '\n');
    for (int i = 0; i <= MAX_INDENT; i++) {
        grammar_final(&c->g, at);
        int32_t next = grammar_then(&c->g, at, ' ');
        grammar_bytes(&c->g, at, '\t', '\t', ACT_NONE, next);
        at = next;
    }
    return c->gap;
}

static int32_t gap(struct compiler *c, int32_t from)
{
    return grammar_then_call(&c->g, from, gap_rule(c));
}

static int32_t byte(struct compiler *c, int32_t from, char b)
{
    return grammar_then(&c->g, from, b);
}

/* -- Arrays ------------------------------------------------------------------------------------ */

/* An edge from a state for a byte that is taken only if `act` allows it. */
static int32_t byte_if(struct compiler *c, int32_t rule, int32_t from, char b, enum edge_act act)
{
    int32_t to = new_state(c, rule);
    grammar_bytes(&c->g, from, b, b, act, to);
    return to;
}

/* Items of one schema, as many as the rule counts, after `from`, where a gap or n_before other
 * items end. What is not allowed is refused at once, not after a gap where nothing else could
 * follow. */
static void tail_items(struct compiler *c, int32_t rule, int32_t from, int n_before, int32_t item,
                       int32_t end)
{
    struct grammar *g = &c->g;
    int32_t first = new_state(c, rule), behind = new_state(c, rule), enough = new_state(c, rule);
    if (!g->failed && g->rules[rule].min <= 0)
        grammar_bytes(g, n_before ? gap(c, from) : from, ']', ']', ACT_NONE, end);
    if (n_before)
        grammar_skip(g, gap(c, byte_if(c, rule, from, ',', ACT_COUNT)), ACT_NONE, first);
    else
        grammar_skip(g, from, ACT_COUNT, first);
    grammar_skip(g, gap(c, byte_if(c, rule, behind, ',', ACT_COUNT)), ACT_NONE, first);
    grammar_call(g, first, item, behind);
    grammar_skip(g, behind, ACT_ENOUGH, enough);
    grammar_bytes(g, gap(c, enough), ']', ']', ACT_NONE, end);
}

/* The rule for the items after the first n; false: there are none. */
static bool item_rule(struct compiler *c, const json_t *schema, int n, int32_t min, int32_t *ret)
{
    const json_t *items = json_object_get(schema, "items");
    if (json_is_false(items)) return false;
    if (!items && n > 0 && min <= n) return false; // a tuple: no items are added unasked
    size_t path = reader_enter(&c->r, "items");
    if (json_is_array(items))
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED,
                      "a list is not supported here: \"prefixItems\" is");
    *ret = lost(c) ? 0 : items ? value_rule(c, items) : any_rule(c);
    reader_leave(&c->r, path);
    return true;
}

static int32_t prefix_rule(struct compiler *c, const json_t *prefix, int i)
{
    char word[40];
    snprintf(word, sizeof word, "prefixItems/%d", i);
    size_t path = reader_enter(&c->r, word);
    int32_t rule = value_rule(c, json_array_get(prefix, (size_t)i));
    reader_leave(&c->r, path);
    return rule;
}

/* Reads and checks the limits on an array's length. */
static void array_lengths(struct compiler *c, const json_t *schema, int32_t *min, int32_t *max)
{
    const json_t *prefix = json_object_get(schema, "prefixItems");
    *min = read_count(&c->r, schema, "minItems", 0);
    *max = read_count(&c->r, schema, "maxItems", NO_LIMIT);
    if (*min > *max) reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"minItems\" is above \"maxItems\"");
    if (prefix && !json_array_size(prefix))
        reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"prefixItems\" is a list of schemas");
    if (json_is_true(json_object_get(schema, "uniqueItems")) && *max > 1)
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "\"uniqueItems\" is not supported");
}

/* All prefixItems are written, as far as maxItems allows; then others. */
int32_t array_rule(struct compiler *c, const json_t *schema)
{
    const json_t *prefix = json_object_get(schema, "prefixItems");
    int32_t min, max, item;
    array_lengths(c, schema, &min, &max);
    if (lost(c)) return 0;
    int n = json_array_size(prefix) < (size_t)max ? (int)json_array_size(prefix) : (int)max;
    struct grammar *g = &c->g;
    int32_t rule = grammar_rule(g), end = new_state(c, rule);
    int32_t at = gap(c, byte(c, start_of(c, rule), '['));
    grammar_final(g, end);
    for (int i = 0; i < n && !lost(c); i++) {
        if (i) at = gap(c, byte(c, at, ','));
        at = grammar_then_call(g, at, prefix_rule(c, prefix, i));
    }
    if (lost(c)) return 0;
    g->rules[rule].nests = true;
    g->rules[rule].min = min - n;
    g->rules[rule].max = max == NO_LIMIT ? max : max - n;
    if (n < max && item_rule(c, schema, n, min, &item)) {
        if (!lost(c)) tail_items(c, rule, at, n, item, end);
    } else if (min <= n) {
        grammar_bytes(g, n ? gap(c, at) : at, ']', ']', ACT_NONE, end);
    }
    return rule;
}

/* -- Objects ----------------------------------------------------------------------------------- */

struct property {
    const char *name;
    const json_t *schema; // NULL: that of additional properties
    bool required;
};

struct object {
    struct property *v; // [n] in the order of writing
    int n;
    const json_t *more; // schema of additional properties; NULL: none are allowed
    int32_t more_rule;
};

static bool is_declared(const struct object *o, const char *name, int *ret)
{
    for (int i = 0; i < o->n; i++)
        if (!strcmp(o->v[i].name, name)) {
            *ret = i;
            return true;
        }
    return false;
}

static void add_property(struct compiler *c, struct object *o, struct property p)
{
    struct property *grown = memory_room(o->v, (size_t)o->n, sizeof *grown);
    if (!grown) {
        c->g.failed = true;
        return;
    }
    o->v = grown;
    o->v[o->n++] = p;
    if (o->n > MAX_PROPERTIES)
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "more than %d properties are not supported",
                      MAX_PROPERTIES);
}

static void read_required(struct compiler *c, const json_t *schema, struct object *o)
{
    const json_t *required = json_object_get(schema, "required");
    if (required && !json_is_array(required))
        reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"required\" is a list of names");
    for (size_t i = 0; i < json_array_size(required) && !lost(c); i++) {
        const char *name = json_string_value(json_array_get(required, i));
        int at;
        if (!name)
            reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"required\" is a list of names");
        else if (is_declared(o, name, &at))
            o->v[at].required = true;
        else if (json_is_false(json_object_get(schema, "additionalProperties")))
            reader_refuse(&c->r, PHI3V_E_ARGUMENT,
                          "\"%.60s\" is required, and no property may have that name", name);
        else
            add_property(c, o, (struct property){.name = name, .required = true});
    }
}

/* Limits on the number of properties are supported only where they change nothing. */
static void check_sizes(struct compiler *c, const json_t *schema, const struct object *o)
{
    int32_t n_required = 0;
    for (int i = 0; i < o->n; i++) n_required += o->v[i].required;
    if (read_count(&c->r, schema, "minProperties", 0) > n_required)
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "\"minProperties\" is not supported");
    if (read_count(&c->r, schema, "maxProperties", NO_LIMIT) < (o->more ? NO_LIMIT : o->n))
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "\"maxProperties\" is not supported");
}

static void read_object(struct compiler *c, const json_t *schema, struct object *o)
{
    const json_t *properties = json_object_get(schema, "properties");
    const char *name;
    json_t *value;
    *o = (struct object){.more = json_object_get(schema, "additionalProperties")};
    if (properties && !json_is_object(properties))
        reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"properties\" is an object of schemas");
    json_object_foreach((json_t *)properties, name, value) if (!lost(c))
        add_property(c, o, (struct property){.name = name, .schema = value});
    /* If additional properties are not mentioned and some are named, only those are meant. */
    if (!o->more && !properties) o->more = json_true();
    if (json_is_false(o->more)) o->more = NULL;
    read_required(c, schema, o);
    check_sizes(c, schema, o);
}

static int32_t more_rule(struct compiler *c, struct object *o)
{
    if (o->more_rule >= 0) return o->more_rule;
    size_t path = reader_enter(&c->r, "additionalProperties");
    o->more_rule = o->more ? value_rule(c, o->more) : any_rule(c);
    reader_leave(&c->r, path);
    return o->more_rule;
}

static int32_t property_rule(struct compiler *c, struct object *o, int i)
{
    if (!o->v[i].schema) return more_rule(c, o);
    size_t path = reader_enter(&c->r, "properties");
    reader_enter(&c->r, o->v[i].name);
    int32_t rule = value_rule(c, o->v[i].schema);
    reader_leave(&c->r, path);
    return rule;
}

/* Writes "name": value. */
static int32_t property(struct compiler *c, struct object *o, int i, int32_t from)
{
    json_t *name = json_string(o->v[i].name);
    if (!name) c->g.failed = true;
    int32_t at = name ? value_literal(c, from, name) : from;
    json_decref(name);
    at = gap(c, byte(c, at, ':'));
    return grammar_then_call(&c->g, at, property_rule(c, o, i));
}

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Writes a key that is none of the properties' names, and its value. */
static int32_t additional(struct compiler *c, struct object *o, int32_t from)
{
    const char **names = memory_zero((size_t)o->n, sizeof *names);
    size_t n = 0;
    if (!names) {
        c->g.failed = true;
        return from;
    }
    for (int i = 0; i < o->n; i++) {
        bool plain = true; // others need an escape, which additional keys cannot contain
        for (const char *p = o->v[i].name; *p; p++)
            plain &= (uint8_t)*p >= 0x20 && *p != '"' && *p != '\\';
        if (plain && *o->v[i].name) names[n++] = o->v[i].name;
    }
    qsort(names, n, sizeof *names, by_name);
    int32_t at = other_key(&c->g, from, names, n);
    free(names);
    at = gap(c, byte(c, at, ':'));
    return grammar_then_call(&c->g, at, more_rule(c, o));
}

/* Writes the properties in order. first[i]: nothing is written yet, and the i-th may be next;
 * behind[i]: something is. */
static void properties(struct compiler *c, struct object *o, int32_t rule, int32_t from,
                       int32_t end)
{
    struct grammar *g = &c->g;
    int32_t first = from, behind = new_state(c, rule);
    for (int i = 0; i < o->n && !lost(c); i++) {
        int32_t key = new_state(c, rule), next = new_state(c, rule);
        grammar_skip(g, first, ACT_NONE, key);
        if (i) grammar_skip(g, gap(c, byte(c, behind, ',')), ACT_NONE, key);
        grammar_skip(g, property(c, o, i, key), ACT_NONE, next);
        if (i && !o->v[i].required) grammar_skip(g, behind, ACT_NONE, next);
        int32_t next_first = new_state(c, rule);
        if (!o->v[i].required) grammar_skip(g, first, ACT_NONE, next_first);
        first = next_first;
        behind = next;
    }
    if (o->more && !lost(c)) {
        int32_t key = new_state(c, rule);
        grammar_skip(g, first, ACT_NONE, key);
        grammar_skip(g, gap(c, byte(c, behind, ',')), ACT_NONE, key);
        grammar_skip(g, additional(c, o, key), ACT_NONE, behind);
    }
    grammar_bytes(g, first, '}', '}', ACT_NONE, end);
    grammar_bytes(g, gap(c, behind), '}', '}', ACT_NONE, end);
}

int32_t object_rule(struct compiler *c, const json_t *schema)
{
    struct object o;
    read_object(c, schema, &o);
    o.more_rule = -1;
    int32_t rule = grammar_rule(&c->g), end = new_state(c, rule);
    if (!lost(c)) {
        c->g.rules[rule].nests = true;
        grammar_final(&c->g, end);
        properties(c, &o, rule, gap(c, byte(c, start_of(c, rule), '{')), end);
    }
    free(o.v);
    return rule;
}
