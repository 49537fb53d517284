/* SPDX-License-Identifier: MIT */
#include "schema/vocabulary.h"

#include <stdlib.h>
#include <string.h>

#include <utf8proc.h>

#include "common/memory.h"
#include "common/text.h"

/* -- Tokens ------------------------------------------------------------------------------------ */

struct token {
    const char *bytes;
    uint32_t n;
    int32_t id;
};

static struct token token_of(const struct vocabulary *v, int32_t id)
{
    return (struct token){v->bytes + v->begin[id], v->begin[id + 1] - v->begin[id], id};
}

static int by_bytes(const void *a, const void *b)
{
    const struct token *x = a, *y = b;
    int order = memcmp(x->bytes, y->bytes, x->n < y->n ? x->n : y->n);
    if (order) return order;
    if (x->n != y->n) return x->n < y->n ? -1 : 1;
    return x->id < y->id ? -1 : 1;
}

/* The number of characters in a token that a string may contain unescaped; -1: it contains
 * others. */
static int whole_characters(struct token t)
{
    int n = 0;
    for (uint32_t i = 0; i < t.n;) {
        utf8proc_int32_t c;
        utf8proc_ssize_t length = utf8proc_iterate((const utf8proc_uint8_t *)t.bytes + i,
                                                   (utf8proc_ssize_t)(t.n - i), &c);
        if (length < 1 || c < 0x20 || c == '"' || c == '\\' || ++n > MAX_TOKEN_CHARACTERS)
            return -1;
        i += (uint32_t)length;
    }
    return n;
}

static bool read_tokens(struct vocabulary *v, const phi3v_model *model)
{
    struct text all = {0};
    v->begin = memory_zero((size_t)v->n_ids + 1, sizeof *v->begin);
    for (int32_t id = 0; v->begin && id < v->n_ids; id++) {
        char bytes[MAX_TOKEN_BYTES];
        size_t n = phi3v_token_bytes(model, id, bytes, sizeof bytes);
        if (n > sizeof bytes) n = 0;
        text_addn(&all, bytes, n);
        v->begin[id + 1] = (uint32_t)all.n;
    }
    v->bytes = text_take(&all);
    return v->begin && v->bytes;
}

/* -- Trees ------------------------------------------------------------------------------------- */

/* Builds a tree of tokens [n], sorted, of which some have the same bytes. */
static bool build_tree(struct vocabulary *v, const struct token *tokens, size_t n,
                       struct token_tree *tree)
{
    int32_t path[MAX_TOKEN_BYTES]; // the nodes of the last token's bytes
    const char *last = "";
    uint32_t n_last = 0;
    for (size_t i = 0; i < n; i++) {
        const struct token *t = &tokens[i];
        uint32_t shared = 0;
        while (shared < n_last && shared < t->n && last[shared] == t->bytes[shared]) shared++;
        for (uint32_t k = shared; k < n_last; k++) tree->v[path[k]].next = tree->n;
        for (uint32_t k = shared; k < t->n; k++) {
            struct token_node *grown = memory_room(tree->v, (size_t)tree->n, sizeof *tree->v);
            if (!grown) return false;
            tree->v = grown;
            path[k] = tree->n;
            tree->v[tree->n++] = (struct token_node){
                .token = -1, .byte = (uint8_t)t->bytes[k], .depth = (uint8_t)(k + 1)};
        }
        v->same[t->id] = tree->v[path[t->n - 1]].token;
        tree->v[path[t->n - 1]].token = t->id;
        last = t->bytes;
        n_last = t->n;
    }
    for (uint32_t k = 0; k < n_last; k++) tree->v[path[k]].next = tree->n;
    return true;
}

static void add_whole(struct vocabulary *v, int32_t id, int n_characters)
{
    for (int n = n_characters; n <= MAX_TOKEN_CHARACTERS; n++)
        v->whole[(size_t)n * v->n_words + (size_t)id / 32] |= UINT32_C(1) << (id % 32);
}

static bool sort_tokens(struct vocabulary *v)
{
    size_t n = 0, n_mixed = 0;
    struct token *tokens = memory_new((size_t)v->n_ids * sizeof *tokens);
    v->same = memory_new((size_t)v->n_ids * sizeof *v->same);
    v->whole = memory_zero((MAX_TOKEN_CHARACTERS + 1) * v->n_words, sizeof *v->whole);
    bool good = tokens && v->same && v->whole;
    for (int32_t id = 0; good && id < v->n_ids; id++) {
        struct token t = token_of(v, id);
        if (t.n) tokens[n++] = t;
    }
    if (good) qsort(tokens, n, sizeof *tokens, by_bytes);
    /* The tree of all tokens is built last: tokens with the same bytes are of the same kind, so
     * `same` agrees. */
    struct token *mixed = good ? memory_new(n * sizeof *mixed) : NULL;
    for (size_t i = 0; mixed && i < n; i++) {
        int n_characters = whole_characters(tokens[i]);
        if (n_characters < 0)
            mixed[n_mixed++] = tokens[i];
        else
            add_whole(v, tokens[i].id, n_characters);
    }
    good = mixed && build_tree(v, mixed, n_mixed, &v->mixed) && build_tree(v, tokens, n, &v->all);
    free(mixed);
    free(tokens);
    return good;
}

int vocabulary_new(const phi3v_model *model, struct vocabulary **ret, struct phi3v_error *err)
{
    struct vocabulary *v = memory_zero(1, sizeof *v);
    if (!v) return memory_error(err);
    v->n_ids = phi3v_model_info(model)->n_vocab;
    v->n_words = ((size_t)v->n_ids + 31) / 32;
    if (read_tokens(v, model) && sort_tokens(v)) {
        *ret = v;
        return 0;
    }
    vocabulary_free(v);
    return memory_error(err);
}

void vocabulary_free(struct vocabulary *v)
{
    if (!v) return;
    free(v->bytes);
    free(v->begin);
    free(v->same);
    free(v->all.v);
    free(v->mixed.v);
    free(v->whole);
    free(v);
}
