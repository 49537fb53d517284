/* SPDX-License-Identifier: MIT
 * Turns a machine with many states at once into one with a single state at a time (sets of the
 * former's), and that into the grammar's states. */
#include "schema/pattern.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "schema/expression.h"
#include "schema/text_rules.h"

enum { MAX_SETS = 2000 };

/* A set of the expression's nodes, with the number of characters before it, as far as that
 * matters. */
struct set {
    uint64_t *nodes; // [n_words], one bit per node
    uint64_t hash;   // of nodes
    int32_t count, state;
};

struct sets {
    const struct expression *e;
    struct grammar *g;
    int32_t rule, end, min, max;
    size_t n_words;
    struct set *v;
    int n;
    bool failed; // memory
    bool large;
};

static bool has(const uint64_t *nodes, int i) { return nodes[i / 64] >> (i % 64) & 1; }

/* Adds node i and all nodes reached from it without a character. */
static void reach(const struct sets *s, uint64_t *nodes, int i)
{
    while (i >= 0 && !has(nodes, i)) {
        const struct node *n = &s->e->nodes[i];
        nodes[i / 64] |= UINT64_C(1) << (i % 64);
        if (n->lo <= n->hi) return;
        if (n->or_to >= 0) reach(s, nodes, n->or_to);
        i = n->to;
    }
}

static uint64_t hash_of(const struct sets *s, const uint64_t *nodes)
{
    uint64_t hash = 0;
    for (size_t i = 0; i < s->n_words; i++) hash = (hash ^ nodes[i]) * 0x9e3779b97f4a7c15u;
    return hash;
}

/* The grammar's state for a set (taken); a new set is worked on later. */
static int32_t state_of(struct sets *s, uint64_t *nodes, int32_t count)
{
    uint64_t hash = hash_of(s, nodes);
    for (int i = 0; i < s->n; i++)
        if (s->v[i].hash == hash && s->v[i].count == count &&
            !memcmp(s->v[i].nodes, nodes, s->n_words * sizeof *nodes)) {
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
    s->v[s->n] = (struct set){nodes, hash, count, grammar_state(s->g, s->rule)};
    return s->v[s->n++].state;
}

/* Adds a set's transition for the characters lo to hi, on which all its nodes agree. takers: [n]
 * its nodes that take a character. */
static void go(struct sets *s, int from, const int *takers, int n, uint32_t lo, uint32_t hi)
{
    int32_t count = s->v[from].count, limit = s->max < NO_LIMIT ? s->max : s->min;
    bool any = false;
    if (s->max < NO_LIMIT && count == s->max) return;
    uint64_t *nodes = memory_zero(s->n_words, sizeof *nodes);
    if (!nodes) {
        s->failed = true;
        return;
    }
    if (!grammar_work(s->g, n + s->n + (long)s->n_words)) s->large = true;
    for (int i = 0; i < n; i++) {
        const struct node *node = &s->e->nodes[takers[i]];
        if (node->lo > lo || node->hi < hi) continue;
        reach(s, nodes, node->to);
        any = true;
    }
    if (!any) {
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

/* Finds a set's nodes that take a character, and where their ranges begin and end; returns how
 * many. */
static int takers_of(const struct sets *s, int from, int *takers, uint32_t *cuts)
{
    int n = 0;
    for (size_t word = 0; word < s->n_words; word++)
        for (uint64_t bits = s->v[from].nodes[word]; bits; bits &= bits - 1) {
            int i = (int)word * 64 + __builtin_ctzll(bits);
            const struct node *node = &s->e->nodes[i];
            if (node->lo > node->hi || !node->hi) continue;
            cuts[2 * n] = node->lo;
            cuts[2 * n + 1] = node->hi + 1;
            takers[n++] = i;
        }
    qsort(cuts, 2 * (size_t)n, sizeof *cuts, by_number);
    return n;
}

/* Adds all transitions of a set. */
static void work_on(struct sets *s, int from)
{
    size_t most = (size_t)s->e->n;
    uint32_t *cuts = memory_new(most * 2 * sizeof *cuts);
    int *takers = memory_new(most * sizeof *takers);
    s->failed |= !cuts || !takers;
    int n = s->failed ? 0 : takers_of(s, from, takers, cuts);
    for (int i = 0; i + 1 < 2 * n && !s->failed && !s->large; i++)
        if (cuts[i] < cuts[i + 1]) go(s, from, takers, n, cuts[i], cuts[i + 1] - 1);
    free(cuts);
    free(takers);
    if (has(s->v[from].nodes, s->e->last) && s->v[from].count >= s->min)
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
    int32_t rule = grammar_rule(g);
    struct expression e;
    if (!expression_read(pattern, &e)) {
        g->failed = true;
        return rule;
    }
    struct sets s = {.e = &e, .g = g, .rule = rule, .min = min, .max = max};
    s.n_words = ((size_t)e.n + 63) / 64;
    s.end = grammar_state(g, rule);
    grammar_final(g, s.end);
    if (!e.why) work_out(&s, e.first);
    *ret_why = s.large ? "is too large" : e.why;
    g->failed |= s.failed;
    expression_free(&e);
    return *ret_why ? -1 : rule;
}
