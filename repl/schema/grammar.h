/* SPDX-License-Identifier: MIT
 * A grammar over bytes. Rules consist of states, whose edges take a byte, call another rule, or
 * take nothing. The rule of a value calls those of the values within it, so a text is matched with
 * a stack of states (matcher.h). A grammar is built state by state, then finished, and read-only
 * afterwards. */
#ifndef SCHEMA_GRAMMAR_H
#define SCHEMA_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phi3v.h"

enum {
    MAX_NESTING = 64,      // of objects and arrays in a text
    MAX_STATES = 300000,   // of a grammar, which take about 20 MB
    NO_LIMIT = 0x7fffffff, // of a rule's counter
    MAX_WORK = 100000000,  // for building a grammar, in a few tenths of a second
    UNREACHABLE = 1 << 20, // height of a state that leads to no end
};

enum edge_kind { EDGE_BYTES, EDGE_CALL, EDGE_SKIP };

/* What else an edge does. A rule counts the characters or items of its value. */
enum edge_act {
    ACT_NONE,
    ACT_COUNT,    // counts one more, but not beyond the rule's max
    ACT_ENOUGH,   // may be taken only when the rule's min is reached
    ACT_KEY_BYTE, // the byte belongs to a key that is not in the schema
    ACT_KEY_END   // may be taken only when the object has no such key yet
};

struct edge {
    uint8_t kind, act;
    uint8_t lo, hi; // BYTES
    int32_t rule;   // CALL
    int32_t to;     // the next state
    int32_t next;   // of the same state, while the grammar is built; -1: the last
};

/* Where any characters may come, tokens of whole characters need not be examined one by one: as
 * many characters may come as the rule allows (in a string), or any number (in a key). */
enum body_kind { BODY_NONE, BODY_STRING, BODY_KEY };

struct state {
    int32_t edges, n_edges; // their place in the grammar's list
    int32_t rule;
    int32_t height; // the least nesting on any way to the rule's end
    bool final;     // the rule may end here
    uint8_t body;   // enum body_kind
    bool plain;     // only bytes lead on, and the rule does not end here
};

struct rule {
    int32_t start;
    int32_t min, max; // of its counter
    bool nests;       // an object or array
};

struct grammar {
    struct state *states;
    struct edge *edges;
    struct rule *rules;
    int32_t n_states, n_edges, n_rules;
    long work;   // done so far
    bool failed; // memory was missing, …
    bool large;  // … or there would be too many states or too much work
};

/* All return an index, which can be used for building on even if g->failed is set. */
int32_t grammar_rule(struct grammar *g); /* with a start state, counting nothing */
int32_t grammar_state(struct grammar *g, int32_t rule);
int32_t grammar_start(const struct grammar *g, int32_t rule);
void grammar_bytes(struct grammar *g, int32_t from, int lo, int hi, enum edge_act act, int32_t to);
void grammar_skip(struct grammar *g, int32_t from, enum edge_act act, int32_t to);
void grammar_call(struct grammar *g, int32_t from, int32_t rule, int32_t to);
void grammar_final(struct grammar *g, int32_t state);
/* A new state after `from` and a byte, or a call. */
int32_t grammar_then(struct grammar *g, int32_t from, int byte);
int32_t grammar_then_call(struct grammar *g, int32_t from, int32_t rule);
/* Adds bytes one by one, sharing the beginning with what was added to `from` in this way before.
 * Returns the state after the last byte. */
int32_t grammar_literal(struct grammar *g, int32_t from, const char *bytes, size_t n);

/* Counts work, because a small schema can ask for a lot of it. False when it is too much. */
bool grammar_work(struct grammar *g, long n);
/* Puts edges next to each other, computes heights, and drops dead ends. False without memory, or
 * when it is too much work. */
bool grammar_finish(struct grammar *g);
/* Whether a rule can call itself, perhaps through others, before it takes a byte, and so for ever.
 * For a finished grammar; without memory g->failed is set. */
bool grammar_is_circular(struct grammar *g);
void grammar_free(struct grammar *g);

#endif
