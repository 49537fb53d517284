/* SPDX-License-Identifier: MIT
 * Which tokens may come next, given a schema, a vocabulary and the text so far. */
#include <stdlib.h>
#include <string.h>

#include "common/memory.h"
#include "schema/compiled.h"
#include "schema/matcher.h"
#include "schema/vocabulary.h"

struct binding {
    const struct schema *schema;
    const struct vocabulary *vocabulary;
    struct matcher matcher;
    struct phi3v_constraint constraint;
};

/* -- Which tokens ------------------------------------------------------------------------------ */

struct level { // of the walk: the sizes of the lists after a node's bytes
    int32_t threads, n_threads, n_frames, n_keys;
};

static void allow_token(const struct vocabulary *v, int32_t token, uint32_t *allowed)
{
    for (; token >= 0; token = v->same[token]) allowed[token / 32] |= UINT32_C(1) << (token % 32);
}

/* Whether a step has cost so much that the tokens found so far, if any, must do: whoever wrote the
 * schema shares the machine with others. Ordinary schemas cost a hundredth of this. */
static bool is_enough(const struct matcher *m, uint64_t begun, bool any)
{
    enum { MUCH = 10000000 };
    return any && m->work - begun > MUCH;
}

/* Allows all tokens of a tree that some of the threads [begin, begin + n) can take. What the walk
 * adds to the matcher's lists is removed again. */
static void walk(struct matcher *m, const struct vocabulary *v, const struct token_tree *tree,
                 int32_t begin, int32_t n, uint32_t *allowed)
{
    struct level levels[MAX_TOKEN_BYTES + 1] = {{begin, n, m->n_frames, m->n_keys}};
    uint64_t begun = m->work;
    bool any = false;
    for (int32_t i = 0; i < tree->n && !is_enough(m, begun, any);) {
        const struct token_node *node = &tree->v[i];
        const struct level *before = &levels[node->depth - 1];
        int32_t behind = before->threads + before->n_threads;
        m->n_threads = behind;
        m->n_frames = before->n_frames;
        m->n_keys = before->n_keys;
        matcher_step(m, before->threads, before->n_threads, node->byte);
        if (m->n_threads == behind) {
            i = node->next;
            continue;
        }
        levels[node->depth] = (struct level){behind, m->n_threads - behind, m->n_frames, m->n_keys};
        allow_token(v, node->token, allowed);
        any |= node->token >= 0;
        i++;
    }
    m->n_threads = begin;
    m->n_frames = levels[0].n_frames;
    m->n_keys = levels[0].n_keys;
}

/* Where any characters are allowed, tokens of whole characters are allowed by their number
 * alone. */
static void allow_whole(const struct binding *b, const struct thread *t, uint32_t *allowed)
{
    const struct vocabulary *v = b->vocabulary;
    const struct state *state = &b->matcher.g->states[t->state];
    int32_t left = b->matcher.g->rules[state->rule].max - t->count;
    if (state->body == BODY_KEY || left > MAX_TOKEN_CHARACTERS) left = MAX_TOKEN_CHARACTERS;
    const uint32_t *whole = v->whole + (size_t)left * v->n_words;
    for (size_t i = 0; i < v->n_words; i++) allowed[i] |= whole[i];
}

/* Copies the text's threads that are inside a string, or the others, to the end of the list.
 * Returns how many. */
static int32_t copy_threads(struct matcher *m, bool within)
{
    int32_t begin = m->n_threads;
    for (int32_t i = 0; i < m->n_now; i++) {
        struct thread t = m->threads[i];
        bool is_within = m->g->states[t.state].body != BODY_NONE;
        if (is_within == within) matcher_push(m, &t);
    }
    return m->n_threads - begin;
}

static int allow(uint32_t *allowed, int n_vocab, void *user)
{
    struct binding *b = user;
    struct matcher *m = &b->matcher;
    if (n_vocab < b->vocabulary->n_ids) return 0; // it belongs to another model
    m->n_threads = m->n_now;
    for (int32_t i = 0; i < m->n_now; i++)
        if (m->g->states[m->threads[i].state].body != BODY_NONE)
            allow_whole(b, &m->threads[i], allowed);
    int32_t n = copy_threads(m, true);
    walk(m, b->vocabulary, &b->vocabulary->mixed, m->n_now, n, allowed);
    n = copy_threads(m, false);
    walk(m, b->vocabulary, &b->vocabulary->all, m->n_now, n, allowed);
    return matcher_is_complete(m);
}

static void chosen(int32_t id, void *user)
{
    struct binding *b = user;
    const struct vocabulary *v = b->vocabulary;
    if (id < 0 || id >= v->n_ids) return;
    size_t n = v->begin[id + 1] - v->begin[id]; // 0: a stop token
    if (n) matcher_take(&b->matcher, v->bytes + v->begin[id], n);
}

/* -- Public ------------------------------------------------------------------------------------ */

int binding_new(const struct schema *schema, const struct vocabulary *vocabulary,
                struct binding **ret, struct phi3v_error *err)
{
    struct binding *b = memory_zero(1, sizeof *b);
    if (!b) return memory_error(err);
    b->schema = schema;
    b->vocabulary = vocabulary;
    b->constraint = (struct phi3v_constraint){
        .size = sizeof b->constraint, .allow = allow, .chosen = chosen, .user = b};
    matcher_init(&b->matcher, &schema->grammar, schema->document);
    if (b->matcher.failed) {
        binding_free(b);
        return memory_error(err);
    }
    *ret = b;
    return 0;
}

void binding_free(struct binding *b)
{
    if (!b) return;
    matcher_fini(&b->matcher);
    free(b);
}

const struct phi3v_constraint *binding_constraint(const struct binding *b)
{
    return &b->constraint;
}

void binding_restart(struct binding *b) { matcher_restart(&b->matcher, b->schema->document); }

bool binding_is_complete(const struct binding *b) { return matcher_is_complete(&b->matcher); }

bool binding_failed(const struct binding *b) { return b->matcher.failed; }
