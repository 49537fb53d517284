/* SPDX-License-Identifier: MIT */
#include "schema/expression.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "common/memory.h"
#include "common/text.h"
#include "schema/text_rules.h"

enum {
    MAX_NODES = 10000,
    MAX_RANGES = 64, // in a class
    MAX_REPEAT = 1000,
    MAX_GROUPS = 50 // nested
};

struct range {
    uint32_t lo, hi;
};

struct part { // of the machine: entered at node first, left at node last, whose `to` is open
    int first, last;
};

struct parser {
    const char *at;
    const char *why; // the first thing found that is not supported
    struct node *nodes;
    int n_nodes, depth;
    bool alternates; // has | outside all groups
};

static void give_up(struct parser *p, const char *why)
{
    if (!p->why) p->why = why;
}

/* -- The machine ------------------------------------------------------------------------------- */

static int node(struct parser *p, uint32_t lo, uint32_t hi, int to, int or_to)
{
    if (p->n_nodes == MAX_NODES) {
        give_up(p, "is too large");
        return 0;
    }
    p->nodes[p->n_nodes] = (struct node){lo, hi, to, or_to};
    return p->n_nodes++;
}

static int nothing(struct parser *p, int to, int or_to) { return node(p, 1, 0, to, or_to); }

static struct part empty(struct parser *p)
{
    int n = nothing(p, -1, -1);
    return (struct part){n, n};
}

static struct part one_of(struct parser *p, const struct range *ranges, int n)
{
    int last = nothing(p, -1, -1), first = -1;
    for (int i = 0; i < n; i++) {
        int take = node(p, ranges[i].lo, ranges[i].hi, last, -1);
        first = first < 0 ? take : nothing(p, take, first);
    }
    if (first < 0) first = node(p, 0, 0, last, -1); // U+0000, which no string has: no match
    return (struct part){first, last};
}

static struct part then(struct parser *p, struct part a, struct part b)
{
    p->nodes[a.last].to = b.first;
    return (struct part){a.first, b.last};
}

static struct part either(struct parser *p, struct part a, struct part b)
{
    int last = nothing(p, -1, -1), first = nothing(p, a.first, b.first);
    p->nodes[a.last].to = p->nodes[b.last].to = last;
    return (struct part){first, last};
}

/* Repeats any number of times; at least once if `once`. */
static struct part again(struct parser *p, struct part a, bool once)
{
    int last = nothing(p, -1, -1), loop = nothing(p, a.first, last);
    p->nodes[a.last].to = loop;
    return (struct part){once ? a.first : loop, last};
}

/* -- Classes ----------------------------------------------------------------------------------- */

struct class
{
    struct range v[MAX_RANGES];
    int n;
    bool ascii_only; // it has the opposite of \w, \d or \s, on which dialects differ beyond ASCII
};

static void class_add(struct parser *p, struct class *c, uint32_t lo, uint32_t hi)
{
    if (c->n == MAX_RANGES)
        give_up(p, "has a class of too many parts");
    else
        c->v[c->n++] = (struct range){lo, hi};
}

static int by_begin(const void *a, const void *b)
{
    const struct range *x = a, *y = b;
    return x->lo < y->lo ? -1 : x->lo > y->lo;
}

static void class_invert(struct parser *p, struct class *c)
{
    struct class from = *c;
    uint32_t begin = 1, last = c->ascii_only ? 0x7f : LAST_CHARACTER;
    qsort(from.v, (size_t)from.n, sizeof *from.v, by_begin);
    c->n = 0;
    for (int i = 0; i < from.n && begin <= last; i++) {
        if (from.v[i].lo > last) break;
        if (from.v[i].lo > begin) class_add(p, c, begin, from.v[i].lo - 1);
        if (from.v[i].hi >= begin) begin = from.v[i].hi + 1;
    }
    if (begin <= last) class_add(p, c, begin, last);
}

/* Reads \d, \w, \s and their opposites. */
static bool class_of_letter(struct parser *p, char letter, struct class *c)
{
    struct class own = {0};
    switch (letter | 0x20) {
    case 'd':
        class_add(p, &own, '0', '9');
        break;
    case 'w':
        class_add(p, &own, '0', '9');
        class_add(p, &own, 'A', 'Z');
        class_add(p, &own, '_', '_');
        class_add(p, &own, 'a', 'z');
        break;
    case 's':
        class_add(p, &own, '\t', '\r');
        class_add(p, &own, ' ', ' ');
        break;
    default:
        return false;
    }
    if (!(letter & 0x20)) {
        own.ascii_only = true;
        class_invert(p, &own);
        c->ascii_only = true;
        /* Some dialects count U+001C to U+001F as white space. */
        for (int i = 0; i < own.n; i++)
            if ((letter | 0x20) == 's' && own.v[i].lo <= 0x1c && own.v[i].hi >= 0x1f)
                own.v[i].lo = 0x21;
    }
    for (int i = 0; i < own.n; i++) class_add(p, c, own.v[i].lo, own.v[i].hi);
    return true;
}

static uint32_t next_character(struct parser *p)
{
    utf8proc_int32_t c;
    utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)p->at, -1, &c);
    if (n < 1) {
        give_up(p, "is no text");
        n = 1;
        c = 0xfffd;
    }
    p->at += n;
    return (uint32_t)c;
}

static uint32_t hex(struct parser *p, int n)
{
    uint32_t c = 0;
    for (int i = 0; i < n; i++, p->at++) {
        int d = hex_digit(*p->at);
        if (d < 0) {
            give_up(p, "has an escape that is not complete");
            return 1;
        }
        c = c << 4 | (uint32_t)d;
    }
    return c;
}

/* Reads a single character after a backslash. */
static uint32_t escaped_character(struct parser *p)
{
    static const char from[] = "nrtfv", to[] = "\n\r\t\f\v";
    char c = *p->at;
    const char *control = c ? strchr(from, c) : NULL;
    bool letter = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
    if (control) return p->at++, (uint32_t)to[control - from];
    if (c == 'x') return p->at++, hex(p, 2);
    if (c == 'u') return p->at++, hex(p, 4);
    if (!c) give_up(p, "ends in a backslash");
    if (c == 'b' || c == 'B') give_up(p, "has \\b or \\B, which look at what stands around them");
    if (c == 'p' || c == 'P') give_up(p, "has \\p");
    if (c >= '1' && c <= '9') give_up(p, "refers back to a group");
    if (letter) give_up(p, "has an escape that is not known");
    return c && !p->why ? next_character(p) : 1;
}

/* Reads one character of a class; false: it is a class inside the class. */
static bool class_item(struct parser *p, struct class *c, uint32_t *ret)
{
    if (*p->at != '\\') {
        *ret = next_character(p);
        return true;
    }
    p->at++;
    if (*p->at && class_of_letter(p, *p->at, c)) {
        p->at++;
        return false;
    }
    if (*p->at == 'b') give_up(p, "has \\b in a class");
    *ret = escaped_character(p);
    return true;
}

static struct part class_part(struct parser *p)
{
    struct class c = {0};
    bool inverted = *p->at == '^';
    uint32_t lo, hi;
    p->at += inverted;
    while (*p->at && *p->at != ']' && !p->why) {
        if (!class_item(p, &c, &lo)) continue;
        hi = lo;
        if (p->at[0] == '-' && p->at[1] && p->at[1] != ']') {
            p->at++;
            if (!class_item(p, &c, &hi)) give_up(p, "has a range that ends in a class");
        }
        if (hi < lo) give_up(p, "has a range that runs backwards");
        class_add(p, &c, lo, hi);
    }
    if (*p->at != ']') give_up(p, "has a class without its end");
    if (p->why) return empty(p);
    p->at++;
    if (inverted) class_invert(p, &c);
    return one_of(p, c.v, c.n);
}

/* -- Parsing ----------------------------------------------------------------------------------- */

static struct part alternatives(struct parser *p);

static struct part group(struct parser *p)
{
    if (*p->at == '?') {
        if (p->at[1] != ':') give_up(p, "has a group that begins with (?");
        p->at += p->why ? 0 : 2;
    }
    if (++p->depth > MAX_GROUPS) give_up(p, "has too many groups within each other");
    struct part inner = p->why ? empty(p) : alternatives(p);
    p->depth--;
    if (*p->at != ')') give_up(p, "has a group without its end");
    if (!p->why) p->at++;
    return inner;
}

static struct part atom(struct parser *p)
{
    /* Without line ends, which the dot excludes in some dialects. */
    static const struct range dot[] = {
        {1, '\n' - 1}, {0x0b, 0x0c}, {0x0e, 0x84}, {0x86, 0x2027}, {0x202a, LAST_CHARACTER}};
    char c = *p->at;
    if (c == '(') return p->at++, group(p);
    if (c == '[') return p->at++, class_part(p);
    if (c == '.') return p->at++, one_of(p, dot, 5);
    if (c == '^' || c == '$') give_up(p, "has ^ or $ elsewhere than at its ends");
    if (c == '*' || c == '+' || c == '?' || c == '{') give_up(p, "repeats nothing");
    if (c == ']' || c == '}') give_up(p, "has a bracket that nothing opens");
    if (p->why) return empty(p);
    struct class class = {0};
    uint32_t one;
    if (class_item(p, &class, &one)) class_add(p, &class, one, one);
    return one_of(p, class.v, class.n);
}

static int number(struct parser *p)
{
    int n = 0;
    if (*p->at < '0' || *p->at > '9') give_up(p, "has braces that are no number");
    for (; *p->at >= '0' && *p->at <= '9'; p->at++) {
        n = n * 10 + (*p->at - '0');
        if (n > MAX_REPEAT) {
            give_up(p, "repeats something more than 1000 times");
            n = 0;
        }
    }
    return n;
}

/* Reads {n}, {n,} or {n,m}; most -1: no limit. */
static void braces(struct parser *p, int *least, int *most)
{
    *most = *least = number(p);
    if (*p->at == ',') {
        p->at++;
        *most = *p->at == '}' ? -1 : number(p);
    }
    if (*p->at != '}') give_up(p, "has braces that are no number");
    if (*most >= 0 && *most < *least) give_up(p, "has braces that run backwards");
    if (!p->why) p->at++;
}

/* Repeats `one`, which was parsed from `begin`, by parsing it again for each further copy. */
static struct part repeat(struct parser *p, const char *begin, struct part one, int least, int most)
{
    const char *end = p->at;
    int copies = most >= 0 ? most : least > 1 ? least : 1;
    struct part all = empty(p);
    for (int i = 0; i < copies && !p->why; i++) {
        p->at = begin;
        struct part copy = i ? atom(p) : one;
        if (most < 0 && i == copies - 1)
            copy = again(p, copy, least > 0);
        else if (i >= least)
            copy = either(p, copy, empty(p));
        all = then(p, all, copy);
    }
    p->at = end;
    return all;
}

static struct part quantified(struct parser *p)
{
    const char *begin = p->at;
    int least = 0, most = -1;
    struct part one = atom(p);
    char c = *p->at;
    if (p->why || !c || !strchr("*+?{", c)) return one;
    p->at++;
    if (c == '{') braces(p, &least, &most);
    if (*p->at == '?') p->at++; // lazy: matches the same strings
    if (*p->at && strchr("*+?{", *p->at)) give_up(p, "repeats a repetition");
    if (p->why) return one;
    if (c == '{') return repeat(p, begin, one, least, most);
    return c == '?' ? either(p, one, empty(p)) : again(p, one, c == '+');
}

static struct part sequence(struct parser *p)
{
    struct part all = empty(p);
    while (*p->at && *p->at != '|' && *p->at != ')' && !p->why) {
        if (p->depth == 0 && p->at[0] == '$' && !p->at[1]) break;
        all = then(p, all, quantified(p));
    }
    return all;
}

static struct part alternatives(struct parser *p)
{
    struct part all = sequence(p);
    while (*p->at == '|' && !p->why) {
        p->alternates |= p->depth == 0;
        p->at++;
        all = either(p, all, sequence(p));
    }
    return all;
}

/* The whole expression: any text may surround it where it is not anchored. */
static struct part whole(struct parser *p)
{
    static const struct range any[] = {{1, LAST_CHARACTER}};
    bool front = *p->at == '^';
    p->at += front;
    struct part all = alternatives(p);
    bool back = p->at[0] == '$' && !p->at[1];
    if (*p->at && !back) give_up(p, "has a bracket that nothing opens");
    if (p->alternates && (front || back))
        give_up(p, "has | beside ^ or $: parentheses say what belongs together");
    if (!front) all = then(p, again(p, one_of(p, any, 1), false), all);
    if (!back) all = then(p, all, again(p, one_of(p, any, 1), false));
    return all;
}

bool expression_read(const char *pattern, struct expression *ret)
{
    struct parser p = {.at = pattern, .nodes = memory_new(MAX_NODES * sizeof *p.nodes)};
    if (!p.nodes) return false;
    struct part all = whole(&p);
    *ret = (struct expression){
        .nodes = p.nodes, .n = p.n_nodes, .first = all.first, .last = all.last, .why = p.why};
    return true;
}

void expression_free(struct expression *e) { free(e->nodes); }
