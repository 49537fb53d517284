/* SPDX-License-Identifier: MIT
 * Byte-pair merging of a sequence of symbols, by rank with a heap. */
#ifndef TEXT_BPE_H
#define TEXT_BPE_H

#include "text/vocab.h"

/* Scratch memory, which grows with the longest word; zero it before the first call. */
struct bpe {
    struct bpe_symbol *symbols; // [cap]
    uint64_t *heap;             // [2 * cap]
    size_t cap;
};
void bpe_fini(struct bpe *b);

/* Merges pairs of symbols[0..n), the lowest rank first and the leftmost among equals, until no pair
 * has a rank, and appends the result to *out. O(n log n). False without memory or when stopped. */
bool bpe_merge(struct bpe *b, const struct tokenizer *t, const int32_t *symbols, size_t n,
               struct stop *stop, struct ids *out);

#endif
