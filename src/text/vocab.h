/* SPDX-License-Identifier: MIT
 * The tables of a tokenizer: tokens by text and by id, merges by pair, added tokens. Built once by
 * tokenizer_load.c, read-only afterwards. */
#ifndef TEXT_VOCAB_H
#define TEXT_VOCAB_H

#include "base/buf.h"
#include "text/tokenizer.h"

enum {
    MAX_IDS = 1 << 22,    // ids lie in [0, MAX_IDS)
    MAX_MERGES = 1 << 23, // ranks lie in [0, MAX_MERGES)
    MAX_ADDED = 4096,
    NO_RANK = 0x7fffffff // above every rank
};

enum token_flags {
    TOKEN_PRESENT = 1, // the id has a token
    TOKEN_SPECIAL = 2, // dropped when decoding without special tokens
    TOKEN_BYTE = 4     // "<0x41>": text is one byte
};

struct token { // one id; text lies in tokenizer.text
    uint32_t begin;
    uint32_t n_bytes;
    uint8_t flags, byte;
};

struct merge { // a slot of the hash table; rank NO_RANK marks an empty one
    int32_t left, right;
    int32_t rank, id;
};

struct added { // an added token, matched on the raw text
    int32_t id;
    bool rstrip; // drops white space after it
};

struct tokenizer {
    struct buf text;      // of all tokens, one after the other
    struct token *tokens; // [n_ids]
    int32_t n_ids;
    int32_t *by_text; // [text_mask + 1] hash table of ids, -1 empty
    uint32_t text_mask;
    struct merge *merges; // [merge_mask + 1]
    uint32_t merge_mask;
    struct added *added; // longest text first
    int n_added;
    bool added_first[256];  // bytes with which an added token begins
    int32_t ascii_ids[128]; // ids of one-character tokens, -1 none
    int32_t byte_ids[256];  // ids of byte tokens, -1 none
    int32_t bos_id, unk_id; // unk_id -1: unknown characters are dropped
    bool byte_fallback, fuse_unk;
    int32_t space_id; // of "▁", -1 when it is no token
    bool words; // no merge joins a "▁" to anything before it but "▁": merge words one by one
};

#define SPACE_MARK "\xe2\x96\x81" /* ▁ U+2581 stands for a space */

static inline const char *token_text(const struct tokenizer *t, int32_t id)
{
    return t->text.data + t->tokens[id].begin;
}

/* Sizes the tables. Returns false without memory. */
bool vocab_init(struct tokenizer *t, int32_t n_ids, size_t n_merges);
/* Adds a token under a free id below n_ids. False without memory (text.failed). */
bool vocab_add(struct tokenizer *t, int32_t id, const char *text, size_t n_bytes);
/* Makes a token of the model's vocabulary known to vocab_find; not for mere added tokens. */
void vocab_index(struct tokenizer *t, int32_t id);
/* The id of a token of the vocabulary, -1 when there is none. */
int32_t vocab_find(const struct tokenizer *t, const char *text, size_t n_bytes);
/* A later merge of the same pair replaces the earlier one. */
void merge_add(struct tokenizer *t, struct merge merge);
/* The merge of a pair, or one with rank NO_RANK. */
static inline const struct merge *merge_find(const struct tokenizer *t, int32_t left, int32_t right)
{
    uint64_t h = ((uint64_t)(uint32_t)left << 32 | (uint32_t)right) * 0x9e3779b97f4a7c15u;
    uint32_t i = (uint32_t)(h >> 32) & t->merge_mask;
    while (t->merges[i].rank != NO_RANK &&
           (t->merges[i].left != left || t->merges[i].right != right))
        i = (i + 1) & t->merge_mask;
    return &t->merges[i];
}

#endif
