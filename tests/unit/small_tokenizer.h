/* SPDX-License-Identifier: MIT
 * A tokenizer.json small enough to reason about, in the published form. */
#ifndef UNIT_SMALL_TOKENIZER_H
#define UNIT_SMALL_TOKENIZER_H

#include <jansson.h>
#include <stdbool.h>

#include "folder.h"
#include "text/tokenizer.h"

/* Letters are 260 + letter; "é" lies outside the vocabulary. */
enum {
    UNK = 0,
    BOS = 1,
    BYTE = 3, // + byte
    SPACE = 259,
    LETTER = 260 - 'a', // + letter
    SPACES = 290,       // "▁▁"
    SPACE_A,            // "▁a"
    AB,
    BC,
    ABC,
    USER = 310,
    END,
    ASSISTANT, // rstrip
    SYSTEM,
    LONG,  // "<|x|>"
    LONGER // "<|x|>y", not special
};

/* The JSON of vocabulary, merges (best first: "▁ a", "b c", "a b", "a bc", "▁ ▁") and added tokens.
 */
json_t *small_tokenizer_json(void);
/* Writes and loads it; aborts when that fails. */
struct tokenizer *small_tokenizer(const struct folder *f);

#endif
