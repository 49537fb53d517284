/* SPDX-License-Identifier: MIT */
#include "schema/grammar.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

/* -- Building ---------------------------------------------------------------------------------- */

/* Makes room for one more in a list of n. On failure the list is unchanged, and the grammar is
 * marked as failed. */
static bool room(struct grammar *g, void *list, int32_t n, size_t size)
{
    void *old, *grown;
    memcpy(&old, list, sizeof old);
    g->large |= n >= MAX_STATES * 4;
    grown = g->failed || g->large ? NULL : memory_room(old, (size_t)n, size);
    if (!grown) {
        g->failed = true;
        return false;
    }
    memcpy(list, &grown, sizeof grown);
    return true;
}

bool grammar_work(struct grammar *g, long n)
{
    g->work += n;
    g->large |= g->work > MAX_WORK;
    return !g->large;
}

int32_t grammar_state(struct grammar *g, int32_t rule)
{
    g->large |= g->n_states >= MAX_STATES;
    if (!room(g, &g->states, g->n_states, sizeof *g->states)) return 0;
    g->states[g->n_states] = (struct state){.edges = -1, .rule = rule};
    return g->n_states++;
}

int32_t grammar_rule(struct grammar *g)
{
    if (!room(g, &g->rules, g->n_rules, sizeof *g->rules)) return 0;
    int32_t rule = g->n_rules++;
    g->rules[rule] = (struct rule){.max = NO_LIMIT};
    g->rules[rule].start = grammar_state(g, rule);
    return rule;
}

int32_t grammar_start(const struct grammar *g, int32_t rule)
{
    return rule < g->n_rules ? g->rules[rule].start : 0;
}

static void add(struct grammar *g, int32_t from, struct edge edge)
{
    if (!room(g, &g->edges, g->n_edges, sizeof *g->edges)) return;
    edge.next = g->states[from].edges;
    g->edges[g->n_edges] = edge;
    g->states[from].edges = g->n_edges++;
}

void grammar_bytes(struct grammar *g, int32_t from, int lo, int hi, enum edge_act act, int32_t to)
{
    if (lo > hi) return;
    add(g, from,
        (struct edge){.kind = EDGE_BYTES,
                      .act = (uint8_t)act,
                      .lo = (uint8_t)lo,
                      .hi = (uint8_t)hi,
                      .to = to});
}

void grammar_skip(struct grammar *g, int32_t from, enum edge_act act, int32_t to)
{
    add(g, from, (struct edge){.kind = EDGE_SKIP, .act = (uint8_t)act, .to = to});
}

void grammar_call(struct grammar *g, int32_t from, int32_t rule, int32_t to)
{
    add(g, from, (struct edge){.kind = EDGE_CALL, .rule = rule, .to = to});
}

void grammar_final(struct grammar *g, int32_t state)
{
    if (!g->failed) g->states[state].final = true;
}

int32_t grammar_then(struct grammar *g, int32_t from, int byte)
{
    int32_t to = grammar_state(g, g->failed ? 0 : g->states[from].rule);
    grammar_bytes(g, from, byte, byte, ACT_NONE, to);
    return to;
}

int32_t grammar_then_call(struct grammar *g, int32_t from, int32_t rule)
{
    int32_t to = grammar_state(g, g->failed ? 0 : g->states[from].rule);
    grammar_call(g, from, rule, to);
    return to;
}

static int32_t literal_step(struct grammar *g, int32_t from, uint8_t byte)
{
    if (g->failed) return 0;
    for (int32_t e = g->states[from].edges; e >= 0; e = g->edges[e].next) {
        const struct edge *edge = &g->edges[e];
        if (edge->kind == EDGE_BYTES && edge->lo == byte && edge->hi == byte) return edge->to;
    }
    return grammar_then(g, from, byte);
}

int32_t grammar_literal(struct grammar *g, int32_t from, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) from = literal_step(g, from, (uint8_t)bytes[i]);
    return from;
}

/* -- Finishing --------------------------------------------------------------------------------- */

static bool flatten(struct grammar *g)
{
    struct edge *flat = memory_new((size_t)g->n_edges * sizeof *flat);
    if (!flat) return false;
    int32_t n = 0;
    for (int32_t s = 0; s < g->n_states; s++) {
        struct state *state = &g->states[s];
        int32_t begin = n;
        for (int32_t e = state->edges; e >= 0; e = g->edges[e].next) flat[n++] = g->edges[e];
        state->edges = begin;
        state->n_edges = n - begin;
    }
    free(g->edges);
    g->edges = flat;
    return true;
}

static int32_t edge_height(const struct grammar *g, const struct edge *e)
{
    int32_t behind = g->states[e->to].height;
    if (e->kind != EDGE_CALL) return behind;
    const struct rule *rule = &g->rules[e->rule];
    int32_t within = g->states[rule->start].height + rule->nests;
    return within > behind ? within : behind;
}

/* Lowers a state's height to that of its lowest edge; returns whether it was higher. */
static bool lower(struct grammar *g, int32_t s)
{
    struct state *state = &g->states[s];
    int32_t before = state->height;
    for (int32_t e = 0; e < state->n_edges; e++) {
        int32_t height = edge_height(g, &g->edges[state->edges + e]);
        if (height < state->height) state->height = height;
    }
    return state->height < before;
}

/* Finds heights by lowering them until nothing changes. States mostly come before those that they
 * lead to, and rules before those that they call; for the others, every second round goes the other
 * way. */
static bool work_out_heights(struct grammar *g)
{
    for (int32_t s = 0; s < g->n_states; s++)
        g->states[s].height = g->states[s].final ? 0 : UNREACHABLE;
    bool changed = true;
    for (int round = 0; changed && grammar_work(g, g->n_edges + g->n_states); round++) {
        changed = false;
        for (int32_t i = 0; i < g->n_states; i++)
            changed |= lower(g, round % 2 ? i : g->n_states - 1 - i);
    }
    return !changed;
}

static void drop_dead_edges(struct grammar *g)
{
    for (int32_t s = 0; s < g->n_states; s++) {
        struct state *state = &g->states[s];
        struct edge *edges = &g->edges[state->edges];
        int32_t n = 0;
        for (int32_t e = 0; e < state->n_edges; e++)
            if (edge_height(g, &edges[e]) < UNREACHABLE) edges[n++] = edges[e];
        state->n_edges = n;
        state->plain = !state->final;
        for (int32_t e = 0; e < n; e++) state->plain &= edges[e].kind == EDGE_BYTES;
    }
}

bool grammar_finish(struct grammar *g)
{
    if (g->failed || !flatten(g) || !work_out_heights(g)) return false;
    drop_dead_edges(g);
    return true;
}

/* -- Circles ----------------------------------------------------------------------------------- */

enum colour { WHITE, GREY, BLACK }; /* not visited; being visited; known to be on no cycle */

static bool circle_from(const struct grammar *g, int32_t state, unsigned char *colours);

static bool circle_through(const struct grammar *g, int32_t rule, unsigned char *colours)
{
    if (colours[rule] != WHITE) return colours[rule] == GREY;
    colours[rule] = GREY;
    bool found = circle_from(g, g->rules[rule].start, colours);
    colours[rule] = BLACK;
    return found;
}

/* Follows calls of rules that happen before any byte. */
static bool circle_from(const struct grammar *g, int32_t state, unsigned char *colours)
{
    const struct state *s = &g->states[state];
    for (int32_t e = 0; e < s->n_edges; e++) {
        const struct edge *edge = &g->edges[s->edges + e];
        if (edge->kind == EDGE_CALL && circle_through(g, edge->rule, colours)) return true;
        if (edge->kind == EDGE_SKIP && circle_from(g, edge->to, colours)) return true;
    }
    return false;
}

bool grammar_is_circular(struct grammar *g)
{
    unsigned char *colours = memory_zero((size_t)g->n_rules, sizeof *colours);
    bool found = false;
    if (!colours) g->failed = true;
    for (int32_t rule = 0; colours && rule < g->n_rules && !found; rule++)
        found = circle_through(g, rule, colours);
    free(colours);
    return found;
}

void grammar_free(struct grammar *g)
{
    free(g->states);
    free(g->edges);
    free(g->rules);
    *g = (struct grammar){0};
}
