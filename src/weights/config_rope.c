/* SPDX-License-Identifier: MIT
 * Positions and the rotary embedding of a config, in the spelling of the releases (`rope_scaling`,
 * the rest at the top) and in that of newer tools (all of it in `rope_parameters`). */
#include <math.h>
#include <string.h>

#include "weights/config_parts.h"

/* A section of one of the two spellings. */
struct section {
    const char *name;
    const json_t *obj; // NULL: absent or null
};

static bool has(const json_t *obj, const char *key)
{
    const json_t *value = json_object_get(obj, key);
    return value && !json_is_null(value);
}

/* The newer spelling may hold one set per kind of layer; here all layers are of one kind. */
static struct section find_section(struct json_reader *r, const json_t *root, const char *name)
{
    struct section s = {name, json_read_object(r, "", root, name)};
    if (json_object_size(s.obj) == 0) s.obj = NULL; // {} means the same as null
    if (!has(s.obj, "full_attention")) return s;
    config_refuse_all_unread(r, name, s.obj, (const char *const[]){"full_attention", NULL});
    s.obj = json_read_object(r, name, s.obj, "full_attention");
    return s;
}

/* -- Numbers that may stand at the top or in the section --------------------------------------- */

static void same_as_top(struct json_reader *r, const json_t *root, const struct section *s,
                        const char *key, double top, double inside)
{
    if (has(root, key) && has(s->obj, key) && top != inside)
        json_refuse(r, PHI3V_E_MODEL, s->name, key, json_object_get(s->obj, key),
                    "the same value as at the top of the file");
}

static double read_theta(struct json_reader *r, const json_t *root, const struct section *s)
{
    static const char key[] = "rope_theta";
    double top = json_read_number(r, "", root, key, 10000, 1e-3, 1e12);
    double inside = json_read_number(r, s->name, s->obj, key, top, 1e-3, 1e12);
    same_as_top(r, root, s, key, top, inside);
    return inside;
}

static int64_t read_original(struct json_reader *r, const json_t *root, const struct section *s)
{
    static const char key[] = "original_max_position_embeddings";
    int64_t top = json_read_int(r, "", root, key, 4096, 2, CONFIG_MAX_POSITIONS);
    int64_t inside = json_read_int(r, s->name, s->obj, key, top, 2, CONFIG_MAX_POSITIONS);
    same_as_top(r, root, s, key, (double)top, (double)inside);
    return inside;
}

/* -- The kind and its factors ------------------------------------------------------------------ */

static bool kind_of(const char *type, enum rope_kind *ret)
{
    static const struct {
        const char *type;
        enum rope_kind kind;
    } kinds[] = {
        {"su", ROPE_SU}, {"longrope", ROPE_SU}, {"yarn", ROPE_YARN}, {"default", ROPE_PLAIN}};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (strcmp(type, kinds[i].type) != 0) continue;
        *ret = kinds[i].kind;
        return true;
    }
    return false;
}

/* `type`, or `rope_type` as newer tools write it; both must mean the same. */
static enum rope_kind read_kind(struct json_reader *r, const struct section *s)
{
    static const char *const keys[] = {"type", "rope_type"};
    enum rope_kind kind = ROPE_PLAIN, first = ROPE_PLAIN;
    int n = 0;
    for (int i = 0; i < 2; i++) {
        const char *type = json_read_string(r, s->name, s->obj, keys[i]);
        if (!type) continue;
        if (!kind_of(type, &kind))
            json_refuse(r, PHI3V_E_UNSUPPORTED, s->name, keys[i], json_object_get(s->obj, keys[i]),
                        "\"su\", \"longrope\", \"yarn\" or \"default\"");
        if (n++ == 0) first = kind;
    }
    if (n == 2 && kind != first)
        json_refuse(r, PHI3V_E_MODEL, s->name, keys[1], json_object_get(s->obj, keys[1]),
                    "the same as type");
    bool lists = has(s->obj, "short_factor") || has(s->obj, "long_factor");
    if (n == 0 && (lists || strcmp(s->name, "rope_scaling") == 0))
        json_refuse(r, PHI3V_E_MODEL, s->name, keys[1], NULL,
                    "\"su\", \"longrope\", \"yarn\" or \"default\"");
    return first;
}

static void read_list(struct json_reader *r, const struct section *s, const char *key, float *ret,
                      int n)
{
    if (!json_read_floats(r, s->name, s->obj, key, 1e-6, ret, n))
        json_refuse(r, PHI3V_E_MODEL, s->name, key, NULL, "a list of numbers");
}

/* Checks a number that follows from others: if it is given, it must be the right one. */
static void expect_number(struct json_reader *r, const struct section *s, const char *key,
                          double derived)
{
    double x = json_read_number(r, s->name, s->obj, key, derived, 0, 1e6);
    if (fabs(x - derived) <= 1e-6 * derived) return;
    char expected[120];
    snprintf(expected, sizeof expected, "%.9g, which follows from the other keys", derived);
    json_refuse(r, PHI3V_E_UNSUPPORTED, s->name, key, json_object_get(s->obj, key), expected);
}

/* Fills the rope fields of *c from one section. */
static void read_section(struct json_reader *r, const json_t *root, const struct section *s,
                         struct config *c)
{
    static const char *const read[] = {"type",
                                       "rope_type",
                                       "rope_theta",
                                       "original_max_position_embeddings",
                                       "max_position_embeddings",
                                       "short_factor",
                                       "long_factor",
                                       "factor",
                                       "attention_factor",
                                       "short_mscale",
                                       "long_mscale",
                                       NULL};
    c->rope_theta = (float)read_theta(r, root, s);
    c->original_max_positions = read_original(r, root, s);
    c->rope = s->obj ? read_kind(r, s) : ROPE_PLAIN;
    config_refuse_all_unread(r, s->name, s->obj, read);
    if (r->code || c->rope == ROPE_PLAIN) return;
    read_list(r, s, "short_factor", c->rope_short, c->head_dim / 2);
    read_list(r, s, "long_factor", c->rope_long, c->head_dim / 2);
    double ratio = (double)c->max_positions / (double)c->original_max_positions;
    double magnitude = config_rope_magnitude(c);
    expect_number(r, s, "max_position_embeddings", (double)c->max_positions);
    expect_number(r, s, "factor", ratio);
    expect_number(r, s, "attention_factor", magnitude);
    expect_number(r, s, "short_mscale", magnitude);
    expect_number(r, s, "long_mscale", magnitude);
}

static bool same_rope(const struct config *a, const struct config *b)
{
    return a->rope == b->rope && a->rope_theta == b->rope_theta &&
           a->original_max_positions == b->original_max_positions &&
           memcmp(a->rope_short, b->rope_short, sizeof a->rope_short) == 0 &&
           memcmp(a->rope_long, b->rope_long, sizeof a->rope_long) == 0;
}

void config_read_rope(struct json_reader *r, const json_t *root, struct config *c)
{
    c->max_positions =
        json_read_int(r, "", root, "max_position_embeddings", 4096, 1, CONFIG_MAX_POSITIONS);
    for (int i = 0; i < CONFIG_MAX_ROPE; i++) c->rope_short[i] = c->rope_long[i] = 1;
    struct config other = *c;
    struct section old = find_section(r, root, "rope_scaling");
    struct section newer = find_section(r, root, "rope_parameters");
    read_section(r, root, newer.obj ? &newer : &old, c);
    if (r->code || !newer.obj || !old.obj) return;
    read_section(r, root, &old, &other);
    if (!r->code && !same_rope(c, &other))
        json_refuse(r, PHI3V_E_MODEL, "", "rope_scaling", old.obj,
                    "what rope_parameters says, or nothing");
}
