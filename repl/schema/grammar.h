/* SPDX-License-Identifier: MIT
 * A grammar over bytes: rules of states, whose edges take a byte, call another rule, or take
 * nothing. The rule of a value calls those of the values within it, so a text is matched with a
 * stack of states (matcher.h). Built state by state, then finished once; read-only afterwards. */
#ifndef SCHEMA_GRAMMAR_H
#define SCHEMA_GRAMMAR_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phi3v.h"

enum {
    MAX_NESTING = 64,      // of objects and arrays in a text
    MAX_STATES = 300000,   // of a grammar: some 20 MB
    NO_LIMIT = 0x7fffffff, // of a rule's counter
    MAX_WORK = 100000000,  // for building one: some tenths of a second
    UNREACHABLE = 1 << 20, // height of a state from which no end can be reached
};

enum edge_kind { EDGE_BYTES, EDGE_CALL, EDGE_SKIP };

/* What an edge does besides. A rule counts the characters or items of its value. */
enum edge_act {
    ACT_NONE,
    ACT_COUNT,    // one more; not beyond the rule's max
    ACT_ENOUGH,   // only when there are the rule's min
    ACT_KEY_BYTE, // the byte belongs to a key that is not written in the schema
    ACT_KEY_END   // only when the object has no such key yet
};

struct edge {
    uint8_t kind, act;
    uint8_t lo, hi; // BYTES
    int32_t rule;   // CALL
    int32_t to;     // the state behind it
    int32_t next;   // of the same state, while the grammar is built; -1: the last
};

/* Tokens of whole characters need not be looked at one by one where any characters may come: as many
 * as the rule counts to (in a string), or as one likes (in a key). */
enum body_kind { BODY_NONE, BODY_STRING, BODY_KEY };

struct state {
    int32_t edges, n_edges; // where they begin in the grammar's list
    int32_t rule;
    int32_t height; // the least nesting that a way to the rule's end needs
    bool final;     // the rule may end here
    uint8_t body;   // enum body_kind
    bool plain;     // nothing but bytes leads on, and the rule does not end here
};

struct rule {
    int32_t start;
    int32_t min, max; // of what it counts
    bool nests;       // an object or array
};

struct grammar {
    struct state *states;
    struct edge *edges;
    struct rule *rules;
    int32_t n_states, n_edges, n_rules;
    long work;   // done so far
    bool failed; // memory was missing, or
    bool large;  // there would be too many states, or too much work
};

/* All return an index; with g->failed set one that may be used for building on. */
int32_t grammar_rule(struct grammar *g); /* with a start state, counting nothing */
int32_t grammar_state(struct grammar *g, int32_t rule);
int32_t grammar_start(const struct grammar *g, int32_t rule);
void grammar_bytes(struct grammar *g, int32_t from, int lo, int hi, enum edge_act act, int32_t to);
void grammar_skip(struct grammar *g, int32_t from, enum edge_act act, int32_t to);
void grammar_call(struct grammar *g, int32_t from, int32_t rule, int32_t to);
void grammar_final(struct grammar *g, int32_t state);
/* One state behind `from`, over a byte, or over a call. */
int32_t grammar_then(struct grammar *g, int32_t from, int byte);
int32_t grammar_then_call(struct grammar *g, int32_t from, int32_t rule);
/* Bytes one by one, sharing the beginning with what was added to `from` this way before. Returns the
 * state behind the last. */
int32_t grammar_literal(struct grammar *g, int32_t from, const char *bytes, size_t n);

/* Work that a little text can ask for a lot of is counted. False: it has become too much. */
bool grammar_work(struct grammar *g, long n);
/* Puts edges side by side, works out heights, and drops what leads nowhere. False without memory,
 * or where it is too much work. */
bool grammar_finish(struct grammar *g);
/* A rule calls itself, perhaps through others, before it takes a byte: it could do so for ever. Of a
 * finished grammar; without memory g->failed is set. */
bool grammar_is_circular(struct grammar *g);
void grammar_free(struct grammar *g);

#endif
