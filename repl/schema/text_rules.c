/* SPDX-License-Identifier: MIT */
#include "schema/text_rules.h"

#include <string.h>

/* -- UTF-8 ------------------------------------------------------------------------------------- */

/* The states inside a character, by what may follow its first bytes. */
struct utf8_states {
    int32_t one, two, three; // this many bytes left, of any value
    int32_t e0, ed, f0, f4;  // after a first byte that limits the second
};

/* A range of bytes, and the state after it. */
struct byte_edge {
    uint8_t lo, hi;
    int32_t to;
};
enum { N_INNER = 7 };

/* All edges inside characters, and the states where they start. */
struct inner_edge {
    int32_t from;
    struct byte_edge edge;
};

static void inner_edges(const struct utf8_states *u, int32_t body, struct inner_edge ret[N_INNER])
{
    const struct inner_edge all[N_INNER] = {
        {u->one, {0x80, 0xbf, body}},     {u->two, {0x80, 0xbf, u->one}},
        {u->three, {0x80, 0xbf, u->two}}, {u->e0, {0xa0, 0xbf, u->one}},
        {u->ed, {0x80, 0x9f, u->one}},    {u->f0, {0x90, 0xbf, u->two}},
        {u->f4, {0x80, 0x8f, u->two}}};
    memcpy(ret, all, sizeof all);
}

static struct utf8_states utf8_states(struct grammar *g, int32_t rule, enum edge_act act,
                                      int32_t body)
{
    struct utf8_states u = {grammar_state(g, rule), grammar_state(g, rule), grammar_state(g, rule),
                            grammar_state(g, rule), grammar_state(g, rule), grammar_state(g, rule),
                            grammar_state(g, rule)};
    struct inner_edge inner[N_INNER];
    inner_edges(&u, body, inner);
    for (int i = 0; i < N_INNER; i++)
        grammar_bytes(g, inner[i].from, inner[i].edge.lo, inner[i].edge.hi, act, inner[i].edge.to);
    return u;
}

enum { N_FIRST_BYTES = 11 };

/* The first bytes of all characters that need no escape. */
static void first_bytes(const struct utf8_states *u, int32_t body,
                        struct byte_edge ret[N_FIRST_BYTES])
{
    const struct byte_edge all[N_FIRST_BYTES] = {
        {0x20, 0x21, body},  {0x23, 0x5b, body},     {0x5d, 0x7f, body},  {0xc2, 0xdf, u->one},
        {0xe0, 0xe0, u->e0}, {0xe1, 0xec, u->two},   {0xed, 0xed, u->ed}, {0xee, 0xef, u->two},
        {0xf0, 0xf0, u->f0}, {0xf1, 0xf3, u->three}, {0xf4, 0xf4, u->f4}};
    memcpy(ret, all, sizeof all);
}

/* -- Any string -------------------------------------------------------------------------------- */

static void hex_digits(struct grammar *g, int32_t from, int32_t to)
{
    grammar_bytes(g, from, '0', '9', ACT_NONE, to);
    grammar_bytes(g, from, 'a', 'f', ACT_NONE, to);
    grammar_bytes(g, from, 'A', 'F', ACT_NONE, to);
}

/* A hexadecimal digit from lo to hi, in either case. */
static void hex_range(struct grammar *g, int32_t from, int lo, int hi, int32_t to)
{
    for (int digit = lo; digit <= hi; digit++) {
        int lower = digit < 10 ? '0' + digit : 'a' + digit - 10, upper = lower & ~0x20;
        grammar_bytes(g, from, lower, lower, ACT_NONE, to);
        if (digit >= 10) grammar_bytes(g, from, upper, upper, ACT_NONE, to);
    }
}

/* The second half of a surrogate pair, beginning with its backslash. h3: the state with two digits
 * left. */
static void low_surrogate(struct grammar *g, int32_t from, int32_t h3)
{
    int32_t at = grammar_then(g, grammar_then(g, from, '\\'), 'u');
    int32_t d = grammar_state(g, g->failed ? 0 : g->states[from].rule);
    hex_range(g, at, 0xd, 0xd, d);
    hex_range(g, d, 0xc, 0xf, h3);
}

/* After \u: four digits, or two times four for a pair, but not 0000. */
static void code_unit(struct grammar *g, int32_t rule, int32_t u1, int32_t body)
{
    int32_t h2 = grammar_state(g, rule), h3 = grammar_state(g, rule), h4 = grammar_state(g, rule);
    int32_t z2 = grammar_state(g, rule), z3 = grammar_state(g, rule), z4 = grammar_state(g, rule);
    int32_t d2 = grammar_state(g, rule), s3 = grammar_state(g, rule), s4 = grammar_state(g, rule);
    int32_t s5 = grammar_state(g, rule);
    hex_range(g, u1, 0, 0, z2);
    hex_range(g, u1, 1, 0xc, h2);
    hex_range(g, u1, 0xd, 0xd, d2);
    hex_range(g, u1, 0xe, 0xf, h2);
    hex_digits(g, h2, h3);
    hex_digits(g, h3, h4);
    hex_digits(g, h4, body);
    hex_range(g, z2, 0, 0, z3);
    hex_range(g, z2, 1, 0xf, h3);
    hex_range(g, z3, 0, 0, z4);
    hex_range(g, z3, 1, 0xf, h4);
    hex_range(g, z4, 1, 0xf, body);
    hex_range(g, d2, 0, 7, h3);
    hex_range(g, d2, 8, 0xb, s3);
    hex_digits(g, s3, s4);
    hex_digits(g, s4, s5);
    low_surrogate(g, s5, h3);
}

static void escapes(struct grammar *g, int32_t rule, int32_t body)
{
    int32_t escape = grammar_state(g, rule), unit = grammar_state(g, rule);
    grammar_bytes(g, body, '\\', '\\', ACT_COUNT, escape);
    for (const char *c = "\"\\/bfnrt"; *c; c++) grammar_bytes(g, escape, *c, *c, ACT_NONE, body);
    grammar_bytes(g, escape, 'u', 'u', ACT_NONE, unit);
    code_unit(g, rule, unit, body);
}

int32_t rule_string(struct grammar *g, int32_t min, int32_t max)
{
    int32_t rule = grammar_rule(g), body = grammar_then(g, grammar_start(g, rule), '"');
    int32_t end = grammar_state(g, rule);
    struct utf8_states u = utf8_states(g, rule, ACT_NONE, body);
    struct byte_edge first[N_FIRST_BYTES];
    first_bytes(&u, body, first);
    for (int i = 0; i < N_FIRST_BYTES; i++)
        grammar_bytes(g, body, first[i].lo, first[i].hi, ACT_COUNT, first[i].to);
    escapes(g, rule, body);
    grammar_bytes(g, body, '"', '"', ACT_ENOUGH, end);
    grammar_final(g, end);
    if (!g->failed) {
        g->rules[rule].min = min;
        g->rules[rule].max = max;
        g->states[body].body = BODY_STRING;
    }
    return rule;
}

/* -- Keys other than some ---------------------------------------------------------------------- */

struct key_builder {
    struct grammar *g;
    int32_t rule, body, end;
    struct utf8_states u;
};

/* The edges that continue where a byte leaves a name: those of the body, or of an incomplete
 * character. Returns their number. */
static int usual_edges(const struct key_builder *b, int32_t like, struct byte_edge *ret)
{
    struct inner_edge inner[N_INNER];
    inner_edges(&b->u, b->body, inner);
    for (int i = 0; i < N_INNER; i++)
        if (inner[i].from == like) {
            ret[0] = inner[i].edge;
            return 1;
        }
    first_bytes(&b->u, b->body, ret);
    return N_FIRST_BYTES;
}

/* Builds the states around names [n], sorted, that share their first `depth` bytes; `state` is
 * after these bytes, and its usual edges are those of `like`. */
static void around_names(struct key_builder *b, int32_t state, int32_t like,
                         const char *const *names, size_t n, size_t depth)
{
    struct byte_edge usual[N_FIRST_BYTES];
    int n_usual = usual_edges(b, like, usual);
    bool is_name = n > 0 && !names[0][depth];
    /* Here, too, any characters may follow: a name is excluded only where it ends. */
    if (like == b->body && !b->g->failed) b->g->states[state].body = BODY_KEY;
    if (depth > 0 && like == b->body && !is_name)
        grammar_bytes(b->g, state, '"', '"', ACT_KEY_END, b->end);
    size_t first = is_name, last;
    for (int i = 0; i < n_usual; i++) {
        int lo = usual[i].lo;
        for (; first < n && (uint8_t)names[first][depth] < usual[i].lo;) first++;
        for (; first < n && (uint8_t)names[first][depth] <= usual[i].hi; first = last) {
            int byte = (uint8_t)names[first][depth];
            for (last = first; last < n && (uint8_t)names[last][depth] == byte;) last++;
            int32_t inner = grammar_state(b->g, b->rule);
            grammar_bytes(b->g, state, lo, byte - 1, ACT_KEY_BYTE, usual[i].to);
            grammar_bytes(b->g, state, byte, byte, ACT_KEY_BYTE, inner);
            around_names(b, inner, usual[i].to, names + first, last - first, depth + 1);
            lo = byte + 1;
        }
        grammar_bytes(b->g, state, lo, usual[i].hi, ACT_KEY_BYTE, usual[i].to);
    }
}

int32_t other_key(struct grammar *g, int32_t from, const char *const *names, size_t n_names)
{
    if (g->failed) return 0;
    struct key_builder b = {.g = g, .rule = g->states[from].rule};
    int32_t start = grammar_then(g, from, '"');
    b.body = grammar_state(g, b.rule);
    b.end = grammar_state(g, b.rule);
    b.u = utf8_states(g, b.rule, ACT_KEY_BYTE, b.body);
    struct byte_edge first[N_FIRST_BYTES];
    first_bytes(&b.u, b.body, first);
    for (int i = 0; i < N_FIRST_BYTES; i++)
        grammar_bytes(g, b.body, first[i].lo, first[i].hi, ACT_KEY_BYTE, first[i].to);
    grammar_bytes(g, b.body, '"', '"', ACT_KEY_END, b.end);
    if (!g->failed) g->states[b.body].body = BODY_KEY;
    around_names(&b, start, b.body, names, n_names, 0);
    return b.end;
}

/* -- One character ----------------------------------------------------------------------------- */

/* Also allows the character's short escape, if it has one. */
static void escaped(struct grammar *g, int32_t from, uint32_t c, int32_t to)
{
    static const char pairs[] = "\"\"\\\\\bb\ff\nn\rr\tt";
    for (const char *p = pairs; *p; p += 2)
        if ((uint8_t)p[0] == c)
            grammar_bytes(g, grammar_then(g, from, '\\'), p[1], p[1], ACT_NONE, to);
}

static int utf8_length(uint32_t c) { return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4; }

static void utf8_bytes(uint32_t c, int n, uint8_t ret[4])
{
    static const uint8_t first[] = {0, 0, 0xc0, 0xe0, 0xf0};
    for (int i = n - 1; i > 0; i--, c >>= 6) ret[i] = 0x80 | (c & 0x3f);
    ret[0] = (uint8_t)(first[n] | c);
}

/* Adds the characters from lo to hi, which all have equally many bytes, split so that every part is
 * a product of byte ranges. */
static void utf8_range(struct grammar *g, int32_t from, uint32_t lo, uint32_t hi, int32_t to)
{
    int n = utf8_length(lo);
    for (int i = 1; i < n; i++) {
        uint32_t mask = (UINT32_C(1) << (6 * i)) - 1;
        if ((lo & ~mask) == (hi & ~mask)) continue;
        if (lo & mask) {
            utf8_range(g, from, lo, lo | mask, to);
            utf8_range(g, from, (lo | mask) + 1, hi, to);
            return;
        }
        if ((hi & mask) != mask) {
            utf8_range(g, from, lo, (hi & ~mask) - 1, to);
            utf8_range(g, from, hi & ~mask, hi, to);
            return;
        }
    }
    uint8_t first[4], last[4];
    utf8_bytes(lo, n, first);
    utf8_bytes(hi, n, last);
    for (int i = 0; i < n; i++) {
        int32_t next = i == n - 1 || g->failed ? to : grammar_state(g, g->states[from].rule);
        grammar_bytes(g, from, first[i], last[i], ACT_NONE, next);
        from = next;
    }
}

void character(struct grammar *g, int32_t from, uint32_t lo, uint32_t hi, int32_t to)
{
    static const uint32_t ends[] = {0x7f, 0x7ff, 0xd7ff, 0xdfff, 0xffff, LAST_CHARACTER};
    for (uint32_t c = lo; c <= hi && c < 0x80; c++) {
        bool needs = c < 0x20 || c == '"' || c == '\\';
        if (needs) escaped(g, from, c, to);
        if (needs) continue;
        uint32_t last = c;
        while (last < hi && last < 0x7f && last + 1 != '"' && last + 1 != '\\') last++;
        grammar_bytes(g, from, (int)c, (int)last, ACT_NONE, to);
        c = last;
    }
    uint32_t begin = 0x80;
    for (int i = 1; i < 6; begin = ends[i] + 1, i++) {
        uint32_t first = lo > begin ? lo : begin, last = hi < ends[i] ? hi : ends[i];
        if (first <= last && begin != 0xd800) utf8_range(g, from, first, last, to);
    }
}
