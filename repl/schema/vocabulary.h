/* SPDX-License-Identifier: MIT
 * A model's tokens by their bytes, in prefix trees; and which of them consist of whole characters
 * that need no escape in a JSON string. */
#ifndef SCHEMA_VOCABULARY_H
#define SCHEMA_VOCABULARY_H

#include <stdint.h>

#include "schema/schema.h"

enum {
    MAX_TOKEN_BYTES = 255,    // longer tokens are never allowed
    MAX_TOKEN_CHARACTERS = 64 // of a token that is kept by its number of characters
};

/* A byte of one or more tokens, in the order in which a tree is walked: a node's children come
 * right after it. */
struct token_node {
    int32_t next;  // the node after all that begin like this one
    int32_t token; // a token that ends here, or -1; same[token] is another with the same bytes
    uint8_t byte;
    uint8_t depth; // bytes so far, including this one
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
    struct token_tree mixed; // tokens that are not whole characters of a string
    uint32_t *whole;         // [MAX_TOKEN_CHARACTERS + 1][n_words] the others, by maximum length
};

#endif
