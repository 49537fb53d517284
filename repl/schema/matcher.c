/* SPDX-License-Identifier: MIT */
#include "schema/matcher.h"

#include <stdlib.h>
#include <string.h>

#include "common/memory.h"

static const uint64_t hash_begin = 0xcbf29ce484222325u, hash_prime = 0x100000001b3u; // FNV-1a

/* -- Lists ------------------------------------------------------------------------------------- */

static int32_t push_frame(struct matcher *m, struct frame frame)
{
    struct frame *grown = memory_room(m->frames, (size_t)m->n_frames, sizeof *grown);
    if (!grown) {
        m->failed = true;
        return -1;
    }
    m->frames = grown;
    m->frames[m->n_frames] = frame;
    return m->n_frames++;
}

static bool push_key(struct matcher *m, struct thread *t)
{
    struct key *grown = memory_room(m->keys, (size_t)m->n_keys, sizeof *grown);
    if (!grown) {
        m->failed = true;
        return false;
    }
    m->keys = grown;
    m->keys[m->n_keys] = (struct key){.hash = t->hash, .before = t->keys};
    t->keys = m->n_keys++;
    return true;
}

bool matcher_push(struct matcher *m, const struct thread *t)
{
    struct thread *grown = memory_room(m->threads, (size_t)m->n_threads, sizeof *grown);
    if (!grown) {
        m->failed = true;
        return false;
    }
    m->threads = grown;
    m->threads[m->n_threads++] = *t;
    return true;
}

/* -- Following --------------------------------------------------------------------------------- */

static bool same_thread(const struct thread *a, const struct thread *b)
{
    return a->state == b->state && a->frame == b->frame && a->count == b->count &&
           a->keys == b->keys && a->hash == b->hash;
}

static bool fits(const struct matcher *m, int32_t depth, int32_t state)
{
    return depth + m->g->states[state].height <= MAX_NESTING;
}

/* A key that the object already has is refused; equal digests count as equal keys. */
static bool end_key(struct matcher *m, struct thread *t)
{
    for (int32_t k = t->keys; k >= 0; k = m->keys[k].before)
        if (m->keys[k].hash == t->hash) return false;
    if (!push_key(m, t)) return false;
    t->hash = hash_begin;
    return true;
}

/* Does the edge's action; false: the edge may not be taken. */
static bool act(struct matcher *m, const struct edge *e, struct thread *t, uint8_t byte)
{
    const struct rule *rule = &m->g->rules[m->g->states[t->state].rule];
    switch ((enum edge_act)e->act) {
    case ACT_COUNT:
        if (t->count >= rule->max) return false;
        t->count++;
        return true;
    case ACT_ENOUGH:
        return t->count >= rule->min;
    case ACT_KEY_BYTE:
        t->hash = (t->hash ^ byte) * hash_prime;
        return true;
    case ACT_KEY_END:
        return end_key(m, t);
    case ACT_NONE:
        break;
    }
    return true;
}

static void enter(struct matcher *m, int32_t begin, const struct thread *t);

static void call(struct matcher *m, int32_t begin, const struct thread *t, const struct edge *e)
{
    const struct rule *rule = &m->g->rules[e->rule];
    int32_t depth = t->depth + rule->nests;
    if (!fits(m, t->depth, e->to) || !fits(m, depth, rule->start)) return;
    int32_t frame = push_frame(m, (struct frame){.below = t->frame,
                                                 .state = e->to,
                                                 .count = t->count,
                                                 .keys = t->keys,
                                                 .depth = t->depth});
    if (frame < 0) return;
    struct thread inner = {
        .state = rule->start, .frame = frame, .keys = -1, .depth = depth, .hash = hash_begin};
    enter(m, begin, &inner);
}

static void skip(struct matcher *m, int32_t begin, const struct thread *t, const struct edge *e)
{
    struct thread next = *t;
    if (!fits(m, t->depth, e->to) || !act(m, e, &next, 0)) return;
    next.state = e->to;
    enter(m, begin, &next);
}

static void go_back(struct matcher *m, int32_t begin, const struct thread *t)
{
    const struct frame *f = &m->frames[t->frame];
    struct thread outer = {.state = f->state,
                           .frame = f->below,
                           .count = f->count,
                           .keys = f->keys,
                           .depth = f->depth,
                           .hash = hash_begin};
    enter(m, begin, &outer);
}

/* Adds a thread, and all that it can become without a byte, to the threads from begin on. */
static void enter(struct matcher *m, int32_t begin, const struct thread *t)
{
    m->work += (uint64_t)(1 + m->n_threads - begin);
    if (m->n_threads - begin >= MAX_THREADS) return;
    for (int32_t i = begin; i < m->n_threads; i++)
        if (same_thread(&m->threads[i], t)) return;
    const struct state *state = &m->g->states[t->state];
    if (!matcher_push(m, t) || state->plain) return;
    for (int32_t e = 0; e < state->n_edges; e++) {
        const struct edge *edge = &m->g->edges[state->edges + e];
        if (edge->kind == EDGE_CALL) call(m, begin, t, edge);
        if (edge->kind == EDGE_SKIP) skip(m, begin, t, edge);
    }
    if (state->final && t->frame >= 0) go_back(m, begin, t);
}

void matcher_step(struct matcher *m, int32_t begin, int32_t n, uint8_t byte)
{
    int32_t behind = m->n_threads;
    m->work += (uint64_t)n;
    for (int32_t i = begin; i < begin + n; i++) {
        const struct state *state = &m->g->states[m->threads[i].state];
        for (int32_t e = 0; e < state->n_edges; e++) {
            const struct edge *edge = &m->g->edges[state->edges + e];
            if (edge->kind != EDGE_BYTES || byte < edge->lo || byte > edge->hi) continue;
            struct thread t = m->threads[i];
            if (!fits(m, t.depth, edge->to) || !act(m, edge, &t, byte)) continue;
            t.state = edge->to;
            enter(m, behind, &t);
        }
    }
}

/* -- The text ---------------------------------------------------------------------------------- */

static void mark_keys(struct matcher *m, int32_t k)
{
    for (; k >= 0 && m->keys[k].moved < 0; k = m->keys[k].before) m->keys[k].moved = 0;
}

/* Marks the frames and keys that the text's threads still need: their moved is 0, otherwise -1. */
static void mark(struct matcher *m)
{
    for (int32_t i = 0; i < m->n_frames; i++) m->frames[i].moved = -1;
    for (int32_t i = 0; i < m->n_keys; i++) m->keys[i].moved = -1;
    for (int32_t i = 0; i < m->n_now; i++) {
        for (int32_t f = m->threads[i].frame; f >= 0 && m->frames[f].moved < 0;) {
            m->frames[f].moved = 0;
            f = m->frames[f].below;
        }
        mark_keys(m, m->threads[i].keys);
    }
    for (int32_t f = 0; f < m->n_frames; f++)
        if (m->frames[f].moved == 0) mark_keys(m, m->frames[f].keys);
}

static int32_t moved_frame(const struct matcher *m, int32_t f)
{
    return f < 0 ? f : m->frames[f].moved;
}
static int32_t moved_key(const struct matcher *m, int32_t k)
{
    return k < 0 ? k : m->keys[k].moved;
}

/* First assigns new places, then updates the references, then moves: a place is only overwritten
 * from a later one. */
static void tidy(struct matcher *m)
{
    int32_t n_frames = 0, n_keys = 0;
    mark(m);
    for (int32_t i = 0; i < m->n_frames; i++)
        if (m->frames[i].moved >= 0) m->frames[i].moved = n_frames++;
    for (int32_t i = 0; i < m->n_keys; i++)
        if (m->keys[i].moved >= 0) m->keys[i].moved = n_keys++;
    for (int32_t i = 0; i < m->n_now; i++) {
        m->threads[i].frame = moved_frame(m, m->threads[i].frame);
        m->threads[i].keys = moved_key(m, m->threads[i].keys);
    }
    for (int32_t i = 0; i < m->n_frames; i++) {
        if (m->frames[i].moved < 0) continue;
        m->frames[i].below = moved_frame(m, m->frames[i].below);
        m->frames[i].keys = moved_key(m, m->frames[i].keys);
    }
    for (int32_t i = 0; i < m->n_keys; i++)
        if (m->keys[i].moved >= 0) m->keys[i].before = moved_key(m, m->keys[i].before);
    for (int32_t i = 0; i < m->n_frames; i++)
        if (m->frames[i].moved >= 0) m->frames[m->frames[i].moved] = m->frames[i];
    for (int32_t i = 0; i < m->n_keys; i++)
        if (m->keys[i].moved >= 0) m->keys[m->keys[i].moved] = m->keys[i];
    m->n_frames = n_frames;
    m->n_keys = n_keys;
}

static bool take_byte(struct matcher *m, uint8_t byte)
{
    m->n_threads = m->n_now;
    matcher_step(m, 0, m->n_now, byte);
    int32_t n = m->n_threads - m->n_now;
    if (n) memmove(m->threads, m->threads + m->n_now, (size_t)n * sizeof *m->threads);
    m->n_now = m->n_threads = n;
    return n > 0;
}

bool matcher_take(struct matcher *m, const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!take_byte(m, (uint8_t)bytes[i])) return false;
    tidy(m);
    return m->n_now > 0;
}

bool matcher_is_complete(const struct matcher *m)
{
    for (int32_t i = 0; i < m->n_now; i++)
        if (m->threads[i].frame < 0 && m->g->states[m->threads[i].state].final) return true;
    return false;
}

void matcher_restart(struct matcher *m, int32_t rule)
{
    m->n_threads = m->n_now = m->n_frames = m->n_keys = 0;
    struct thread first = {
        .state = m->g->rules[rule].start, .frame = -1, .keys = -1, .hash = hash_begin};
    enter(m, 0, &first);
    m->n_now = m->n_threads;
}

void matcher_init(struct matcher *m, const struct grammar *g, int32_t rule)
{
    *m = (struct matcher){.g = g};
    matcher_restart(m, rule);
}

void matcher_fini(struct matcher *m)
{
    free(m->threads);
    free(m->frames);
    free(m->keys);
    *m = (struct matcher){0};
}
