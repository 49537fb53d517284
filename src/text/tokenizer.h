/* SPDX-License-Identifier: MIT
 * Text to ids and back with a tokenizer.json (docs/model.md, Text to ids, Ids to text): added
 * tokens, one prefix per stretch, byte tokens, BPE by rank with a heap. */
#ifndef TEXT_TOKENIZER_H
#define TEXT_TOKENIZER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/stop.h"

struct tokenizer; /* immutable after loading */

struct ids {
    int32_t *data; // mem_free
    size_t n, cap;
};
void ids_fini(struct ids *ids);
bool ids_push(struct ids *ids, int32_t id); /* false without memory */

/* A piece of text; neighbouring spans form one text, but added tokens are matched only inside spans
 * that allow it. */
struct text_span {
    const char *text;
    size_t n_bytes;
    bool special; // match added tokens here
};

int tokenizer_load(const char *model_dir, struct tokenizer **ret, struct phi3v_error *err);
void tokenizer_free(struct tokenizer *t);

/* Appends to *ids. Bytes that are not UTF-8 are read as U+FFFD. stop may be NULL. Errors: MEMORY,
 * CANCELLED. */
int tokenizer_encode(const struct tokenizer *t, const struct text_span *spans, int n_spans,
                     bool bos, struct stop *stop, struct ids *ids, struct phi3v_error *err);
/* Decodes all ids at once (docs/model.md, Ids to text) into a NUL-terminated mem_free string. */
int tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t n, bool keep_special,
                     char **ret_text, size_t *ret_n, struct phi3v_error *err);
/* Writes at most cap of the bytes that id adds to a text to buf, and returns their number: 0 for
 * special tokens and for ids that are no token. */
size_t tokenizer_bytes(const struct tokenizer *t, int32_t id, char *buf, size_t cap);
/* One more than the highest id. */
int32_t tokenizer_n_ids(const struct tokenizer *t);
/* Id of an added token's text ("<|end|>"), -1 when there is none. */
int32_t tokenizer_special(const struct tokenizer *t, const char *text);

/* Streaming: takes ids and returns the text that is final. The concatenation equals
 * tokenizer_decode of the whole list. */
struct detok;
int detok_new(const struct tokenizer *t, bool keep_special, struct detok **ret,
              struct phi3v_error *err);
void detok_free(struct detok *d);
/* *ret_text (borrowed until the next call) may be empty. */
int detok_push(struct detok *d, int32_t id, const char **ret_text, size_t *ret_n,
               struct phi3v_error *err);
int detok_finish(struct detok *d, const char **ret_text, size_t *ret_n,
                 struct phi3v_error *err); /* the rest */

#endif
