/* SPDX-License-Identifier: MIT */
#include "text/vocab.h"

#include <string.h>

#include "base/mem.h"

/* The mask for a hash table: a power of two, at least 16 and twice the entries, minus one. */
static uint32_t table_mask(size_t n_entries)
{
    uint32_t n = 16;
    while (n < 2 * n_entries) n *= 2; // n_entries is at most MAX_MERGES
    return n - 1;
}

bool vocab_init(struct tokenizer *t, int32_t n_ids, size_t n_merges)
{
    t->n_ids = n_ids;
    t->text_mask = table_mask((size_t)n_ids);
    t->merge_mask = table_mask(n_merges);
    t->tokens = mem_zarray((size_t)n_ids, sizeof *t->tokens);
    t->by_text = mem_array((size_t)t->text_mask + 1, sizeof *t->by_text);
    t->merges = mem_array((size_t)t->merge_mask + 1, sizeof *t->merges);
    if (!t->tokens || !t->by_text || !t->merges) return false;
    memset(t->by_text, 0xff, ((size_t)t->text_mask + 1) * sizeof *t->by_text);
    for (size_t i = 0; i <= t->merge_mask; i++) t->merges[i] = (struct merge){.rank = NO_RANK};
    return true;
}

static uint32_t text_hash(const char *s, size_t n)
{
    uint64_t h = n * 0x9e3779b97f4a7c15u;
    for (; n >= 8; s += 8, n -= 8) {
        uint64_t word;
        memcpy(&word, s, 8);
        h = (h ^ word) * 0xff51afd7ed558ccdu;
        h ^= h >> 32;
    }
    uint64_t rest = 0;
    memcpy(&rest, s, n);
    h = (h ^ rest) * 0xff51afd7ed558ccdu;
    return (uint32_t)(h >> 32);
}

/* The slot of a text, or the empty slot for it. */
static uint32_t text_slot(const struct tokenizer *t, const char *text, size_t n)
{
    uint32_t i = text_hash(text, n) & t->text_mask;
    for (;; i = (i + 1) & t->text_mask) {
        int32_t id = t->by_text[i];
        if (id < 0) return i;
        if (t->tokens[id].n_bytes == n && memcmp(token_text(t, id), text, n) == 0) return i;
    }
}

bool vocab_add(struct tokenizer *t, int32_t id, const char *text, size_t n)
{
    t->tokens[id] = (struct token){
        .begin = (uint32_t)t->text.n, .n_bytes = (uint32_t)n, .flags = TOKEN_PRESENT};
    buf_append(&t->text, text, n);
    return !t->text.failed;
}

void vocab_index(struct tokenizer *t, int32_t id)
{
    t->by_text[text_slot(t, token_text(t, id), t->tokens[id].n_bytes)] = id;
}

int32_t vocab_find(const struct tokenizer *t, const char *text, size_t n)
{
    return t->by_text[text_slot(t, text, n)];
}

void merge_add(struct tokenizer *t, struct merge merge)
{
    struct merge *slot = (struct merge *)merge_find(t, merge.left, merge.right);
    *slot = merge;
}
