/* SPDX-License-Identifier: MIT
 * The tokens of a model by their bytes, as trees in which those that begin alike share their
 * beginning; and which of them are whole characters that may stand in a JSON string as they are. */
#ifndef SCHEMA_VOCABULARY_H
#define SCHEMA_VOCABULARY_H

#include <stdint.h>

#include "schema/schema.h"

enum {
    MAX_TOKEN_BYTES = 255,    // longer tokens are never allowed
    MAX_TOKEN_CHARACTERS = 64 // of a token that is looked at as a whole
};

/* A byte of one or more tokens, in the order in which a tree is walked: a node's children come right
 * behind it. */
struct token_node {
    int32_t next;  // the node behind all that begin as this one does
    int32_t token; // a token that ends here, -1: none; others with the same bytes: same[token]
    uint8_t byte;
    uint8_t depth; // bytes so far, this one included
};

struct token_tree {
    struct token_node *v; // [n]
    int32_t n;
};

struct vocabulary {
    int32_t n_ids;
    size_t n_words;  // of a set of ids
    char *bytes;     // of all tokens
    uint32_t *begin; // [n_ids + 1] in bytes
    int32_t *same;   // [n_ids]
    struct token_tree all;
    struct token_tree mixed; // those that are not whole characters of a string
    uint32_t *whole;         // [MAX_TOKEN_CHARACTERS + 1][n_words] the others, of at most so many
};

#endif
