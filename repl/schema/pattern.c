/* SPDX-License-Identifier: MIT
 * The expression becomes a machine with many states at once (Thompson), that one with one state at
 * a time (sets of the former's), and that the grammar's states. */
#include "schema/pattern.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "common/memory.h"
#include "schema/text_rules.h"

enum {
    MAX_NODES = 10000, // of the first machine
    MAX_SETS = 2000,   // of the second
    MAX_RANGES = 64,   // of a class
    MAX_REPEAT = 1000,
    MAX_GROUPS = 50 // within each other
};

struct range {
    uint32_t lo, hi;
};

/* A state of the first machine: takes a character of a range and goes to `to`, or (lo > hi) takes
 * nothing and goes to `to` and `or_to`. */
struct node {
    uint32_t lo, hi;
    int to, or_to; // -1: nowhere
};

struct part { // of the machine: enters at first, leaves at the node last, whose `to` is open
    int first, last;
};

struct parser {
    const char *at;
    const char *why; // what is not supported; the first thing found
    struct node *nodes;
    int n_nodes, depth;
    bool alternates; // has | outside all groups
};

static void give_up(struct parser *p, const char *why)
{
    if (!p->why) p->why = why;
}

/* -- The first machine ------------------------------------------------------------------------- */

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
    if (first < 0) first = node(p, 0, 0, last, -1); // U+0000, which no string has: matches nothing
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

/* As often as one likes; at least once where `once`. */
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
    bool ascii_only; // it holds the opposite of \w, \d or \s, about which dialects differ beyond
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

/* \d, \w, \s and their opposites. */
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
        /* U+001C to U+001F are white space to some. */
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
        static const char digits[] = "0123456789abcdef";
        const char *d = *p->at ? strchr(digits, *p->at | (*p->at >= 'A' ? 0x20 : 0)) : NULL;
        if (!d) {
            give_up(p, "has an escape that is not complete");
            return 1;
        }
        c = c << 4 | (uint32_t)(d - digits);
    }
    return c;
}

/* Behind a backslash, a single character. */
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

/* One character of a class, or a class in it: then false. */
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
    /* Line ends: what some dialects leave out of the dot. */
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

/* {n}, {n,} or {n,m}; most -1: without end. */
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

/* `one`, which was parsed from `begin` on, as often as it is wanted: parsed anew for each time more.
 */
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
    if (*p->at == '?') p->at++; // as few as possible: the same strings
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

/* The whole: what stands around it is free where it is not anchored. */
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

/* -- The second machine ------------------------------------------------------------------------ */

/* Sets of the first machine's nodes, with how many characters came before, as far as that matters. */
struct set {
    uint64_t *nodes; // [n_words], a bit for each
    int32_t count, state;
};

struct sets {
    const struct parser *p;
    struct grammar *g;
    int32_t rule, end, min, max;
    size_t n_words;
    int last; // the node of the end
    struct set *v;
    int n;
    bool failed; // memory
    bool large;
};

static bool has(const uint64_t *nodes, int i) { return nodes[i / 64] >> (i % 64) & 1; }

/* Node i, and what is reached from it without a character. */
static void reach(const struct sets *s, uint64_t *nodes, int i)
{
    while (i >= 0 && !has(nodes, i)) {
        const struct node *n = &s->p->nodes[i];
        nodes[i / 64] |= UINT64_C(1) << (i % 64);
        if (n->lo <= n->hi) return;
        if (n->or_to >= 0) reach(s, nodes, n->or_to);
        i = n->to;
    }
}

/* The grammar's state of a set (taken), which is worked on later when it is new. */
static int32_t state_of(struct sets *s, uint64_t *nodes, int32_t count)
{
    for (int i = 0; i < s->n; i++)
        if (s->v[i].count == count && !memcmp(s->v[i].nodes, nodes, s->n_words * sizeof *nodes)) {
            free(nodes);
            return s->v[i].state;
        }
    struct set *grown = s->n < MAX_SETS ? memory_room(s->v, (size_t)s->n, sizeof *s->v) : NULL;
    if (!grown) {
        s->large |= s->n >= MAX_SETS;
        s->failed |= s->n < MAX_SETS;
        free(nodes);
        return 0;
    }
    s->v = grown;
    s->v[s->n] = (struct set){nodes, count, grammar_state(s->g, s->rule)};
    return s->v[s->n++].state;
}

/* Where a set goes with the characters from lo to hi, on which all its nodes agree. */
static void go(struct sets *s, int from, uint32_t lo, uint32_t hi)
{
    uint64_t *nodes = memory_zero(s->n_words, sizeof *nodes);
    bool any = false;
    if (!nodes) {
        s->failed = true;
        return;
    }
    if (!grammar_work(s->g, s->p->n_nodes + s->n)) s->large = true;
    for (int i = 0; i < s->p->n_nodes; i++) {
        const struct node *n = &s->p->nodes[i];
        if (!has(s->v[from].nodes, i) || n->lo > lo || n->hi < hi) continue;
        reach(s, nodes, n->to);
        any = true;
    }
    int32_t count = s->v[from].count, limit = s->max < NO_LIMIT ? s->max : s->min;
    if (!any || (s->max < NO_LIMIT && count == s->max)) {
        free(nodes);
        return;
    }
    int32_t to = state_of(s, nodes, count < limit ? count + 1 : count);
    character(s->g, s->v[from].state, lo, hi, to);
}

static int by_number(const void *a, const void *b)
{
    const uint32_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* All ways on from a set. */
static void work_on(struct sets *s, int from)
{
    uint32_t *cuts = memory_new((size_t)s->p->n_nodes * 2 * sizeof *cuts);
    size_t n = 0;
    if (!cuts) s->failed = true;
    for (int i = 0; cuts && i < s->p->n_nodes; i++) {
        const struct node *node = &s->p->nodes[i];
        if (node->lo > node->hi || !node->hi || !has(s->v[from].nodes, i)) continue;
        cuts[n++] = node->lo;
        cuts[n++] = node->hi + 1;
    }
    if (cuts) qsort(cuts, n, sizeof *cuts, by_number);
    for (size_t i = 0; i + 1 < n && !s->failed && !s->large; i++)
        if (cuts[i] < cuts[i + 1]) go(s, from, cuts[i], cuts[i + 1] - 1);
    free(cuts);
    if (has(s->v[from].nodes, s->last) && s->v[from].count >= s->min)
        grammar_bytes(s->g, s->v[from].state, '"', '"', ACT_NONE, s->end);
}

static void work_out(struct sets *s, int first)
{
    uint64_t *nodes = memory_zero(s->n_words, sizeof *nodes);
    if (!nodes) {
        s->failed = true;
        return;
    }
    reach(s, nodes, first);
    int32_t state = state_of(s, nodes, 0);
    int32_t start = grammar_start(s->g, s->rule);
    grammar_bytes(s->g, start, '"', '"', ACT_NONE, state);
    for (int i = 0; i < s->n && !s->failed && !s->large; i++) work_on(s, i);
    for (int i = 0; i < s->n; i++) free(s->v[i].nodes);
    free(s->v);
}

int32_t rule_pattern(struct grammar *g, const char *pattern, int32_t min, int32_t max,
                     const char **ret_why)
{
    struct parser p = {.at = pattern, .nodes = memory_new(MAX_NODES * sizeof *p.nodes)};
    int32_t rule = grammar_rule(g);
    if (!p.nodes) {
        g->failed = true;
        return rule;
    }
    struct part all = whole(&p);
    struct sets s = {.p = &p, .g = g, .rule = rule, .min = min, .max = max, .last = all.last};
    s.n_words = ((size_t)p.n_nodes + 63) / 64;
    s.end = grammar_state(g, rule);
    grammar_final(g, s.end);
    if (!p.why) work_out(&s, all.first);
    if (s.large) give_up(&p, "is too large");
    g->failed |= s.failed;
    free(p.nodes);
    *ret_why = p.why;
    return p.why ? -1 : rule;
}
