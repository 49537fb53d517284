/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "schema/compiler.h"
#include "schema/formats.h"
#include "schema/number_rules.h"
#include "schema/pattern.h"
#include "schema/text_rules.h"

/* -- Texts of values --------------------------------------------------------------------------- */

int32_t literal(struct compiler *c, int32_t from, const char *text)
{
    return grammar_literal(&c->g, from, text, strlen(text));
}

/* A value as JSON text, with numbers in the shortest form that reads back the same; free(). */
static char *value_text(const json_t *value)
{
    for (size_t digits = 15; digits < 17; digits++) {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(digits));
        json_t *back = text ? json_loads(text, JSON_DECODE_ANY, NULL) : NULL;
        bool same = back && json_equal(back, value);
        json_decref(back);
        if (same) return text;
        free(text);
    }
    return json_dumps(value, JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
}

int32_t value_literal(struct compiler *c, int32_t from, const json_t *value)
{
    char *text = value_text(value);
    if (!text) c->g.failed = true;
    int32_t to = text ? literal(c, from, text) : from;
    free(text);
    return to;
}

/* -- Strings and numbers ----------------------------------------------------------------------- */

/* The pattern of "pattern" or "format"; NULL: there is none, or it was refused. */
static const char *pattern_of(struct compiler *c, const json_t *schema, const char **ret_keyword)
{
    const json_t *pattern = json_object_get(schema, "pattern");
    const json_t *format = json_object_get(schema, "format");
    *ret_keyword = pattern ? "pattern" : "format";
    if (pattern && format)
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "\"format\" beside \"pattern\" is not supported");
    if ((pattern && !json_is_string(pattern)) || (format && !json_is_string(format)))
        reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"%s\" is a string", *ret_keyword);
    if (lost(c) || (!pattern && !format)) return NULL;
    if (pattern) return json_string_value(pattern);
    const char *known = format_pattern(json_string_value(format));
    if (!known)
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "\"format\" \"%.60s\" is not supported: %s are",
                      json_string_value(format), format_names);
    return known;
}

int32_t string_rule(struct compiler *c, const json_t *schema)
{
    const char *keyword, *why = NULL, *pattern = pattern_of(c, schema, &keyword);
    int32_t min = read_count(&c->r, schema, "minLength", 0);
    int32_t max = read_count(&c->r, schema, "maxLength", NO_LIMIT);
    if (min > max) reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"minLength\" is above \"maxLength\"");
    if (lost(c)) return 0;
    if (!pattern) return rule_string(&c->g, min, max);
    int32_t rule = rule_pattern(&c->g, pattern, min, max, &why);
    if (why)
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "\"%s\" \"%.80s\" %s, which is not supported",
                      keyword, pattern, why);
    return rule < 0 ? 0 : rule;
}

static struct decimal bound(struct compiler *c, const json_t *schema, const char *keyword,
                            bool is_low)
{
    struct decimal d = {0};
    const json_t *value = json_object_get(schema, keyword);
    char *text = value && json_is_number(value) ? value_text(value) : NULL;
    if (value && !json_is_number(value))
        reader_refuse(&c->r, PHI3V_E_ARGUMENT, "\"%s\" is a number", keyword);
    else if (value && !text)
        c->g.failed = true;
    else if (text && !decimal_read(text, is_low, &d))
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED,
                      "\"%s\" %.40s has more than %d digits, which is not supported", keyword, text,
                      MAX_DIGITS);
    free(text);
    return d;
}

/* The tighter of the two bounds on one side. */
static struct decimal bounds(struct compiler *c, const json_t *schema, const char *with,
                             const char *without, bool is_low)
{
    struct decimal a = bound(c, schema, with, is_low), b = bound(c, schema, without, is_low);
    double x = json_number_value(json_object_get(schema, with));
    double y = json_number_value(json_object_get(schema, without));
    b.excluded = true;
    if (!b.given) return a;
    return !a.given || (is_low ? y >= x : y <= x) ? b : a;
}

int32_t number_rule(struct compiler *c, const json_t *schema, bool integer)
{
    const json_t *multiple = json_object_get(schema, "multipleOf");
    if (multiple && !(integer && json_number_value(multiple) == 1))
        reader_refuse(&c->r, PHI3V_E_UNSUPPORTED, "\"multipleOf\" is not supported");
    struct decimal low = bounds(c, schema, "minimum", "exclusiveMinimum", true);
    struct decimal high = bounds(c, schema, "maximum", "exclusiveMaximum", false);
    return lost(c) ? 0 : rule_number(&c->g, integer, &low, &high);
}
