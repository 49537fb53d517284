/* SPDX-License-Identifier: MIT
 * Text to ids (docs/model.md, Text to ids). golden: tokenizer/cases.json */
#include "text/tokenizer.h"

#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/bpe.h"
#include "text/vocab.h"

enum { ASK_EVERY = 1 << 16 }; /* bytes or symbols, which take a few milliseconds */

/* -- Lists of ids ------------------------------------------------------------------------------ */

void ids_fini(struct ids *ids)
{
    mem_free(ids->data);
    *ids = (struct ids){0};
}

bool ids_push(struct ids *ids, int32_t id)
{
    if (ids->n == ids->cap) {
        size_t cap = ids->cap ? 2 * ids->cap : 64;
        int32_t *data = mem_resize(ids->data, cap, sizeof *data);
        if (!data) return false;
        ids->data = data;
        ids->cap = cap;
    }
    ids->data[ids->n++] = id;
    return true;
}

int32_t tokenizer_n_ids(const struct tokenizer *t) { return t->n_ids; }

int32_t tokenizer_special(const struct tokenizer *t, const char *text)
{
    size_t n = strlen(text);
    for (int i = 0; i < t->n_added; i++) {
        int32_t id = t->added[i].id;
        if (t->tokens[id].n_bytes == n && memcmp(token_text(t, id), text, n) == 0) return id;
    }
    return -1;
}

/* -- One stretch of ordinary text: characters to symbols, then merging ------------------------- */

struct encoder {
    const struct tokenizer *t;
    struct ids *out;
    struct ids symbols; // of the stretch so far
    struct bpe bpe;
    bool in_unk;  // the last symbol is <unk>, and more unknown characters join it
    bool swallow; // after a token with rstrip, drop white space
    struct stop *stop;
};

static bool push_symbol(struct encoder *e, int32_t id)
{
    e->in_unk = false;
    return ids_push(&e->symbols, id);
}

static bool push_unknown(struct encoder *e)
{
    if (e->t->unk_id < 0 || (e->in_unk && e->t->fuse_unk)) return true;
    if (!push_symbol(e, e->t->unk_id)) return false;
    e->in_unk = true;
    return true;
}

static bool push_bytes(struct encoder *e, const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (e->t->byte_ids[(unsigned char)s[i]] < 0) return push_unknown(e);
    for (size_t i = 0; i < n; i++)
        if (!push_symbol(e, e->t->byte_ids[(unsigned char)s[i]])) return false;
    return true;
}

/* Adds one whole character that is not a space. */
static bool push_char(struct encoder *e, const char *s, size_t n)
{
    bool ascii = n == 1;
    int32_t id = ascii ? e->t->ascii_ids[(unsigned char)*s] : vocab_find(e->t, s, n);
    if (id >= 0) return push_symbol(e, id);
    return e->t->byte_fallback ? push_bytes(e, s, n) : push_unknown(e);
}

static bool push_space(struct encoder *e)
{
    return e->t->space_id >= 0 ? push_symbol(e, e->t->space_id) : push_char(e, SPACE_MARK, 3);
}

/* Ends the stretch. If no merge crosses the beginning of a word, words are merged one by one, which
 * gives the same result with a small heap. */
static bool flush(struct encoder *e)
{
    const int32_t *s = e->symbols.data;
    int32_t space = e->t->space_id;
    size_t n = e->symbols.n, begin = 0, ask_at = ASK_EVERY;
    bool ok = true;
    for (size_t i = 1; i <= n && ok; i++) {
        bool cut = i == n || (e->t->words && s[i] == space && s[i - 1] != space);
        if (!cut) continue;
        if (stop_asked_at(e->stop, i, &ask_at, ASK_EVERY)) return false;
        ok = bpe_merge(&e->bpe, e->t, s + begin, i - begin, e->stop, e->out);
        begin = i;
    }
    e->symbols.n = 0;
    e->in_unk = false;
    return ok;
}

/* -- Text: added tokens and what lies between them --------------------------------------------- */

/* White space that is dropped after a token with rstrip; not U+001C … 001F, not U+200B. */
static bool is_white(uint32_t c)
{
    return (c >= 0x09 && c <= 0x0D) || c == 0x20 || c == 0x85 || c == 0xA0 || c == 0x1680 ||
           (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 || c == 0x202F ||
           c == 0x205F || c == 0x3000;
}

/* The longest added token at s, or NULL. */
static const struct added *match_added(const struct tokenizer *t, const char *s, size_t n)
{
    if (!t->added_first[(unsigned char)*s]) return NULL;
    for (int i = 0; i < t->n_added; i++) {
        const struct token *p = &t->tokens[t->added[i].id];
        if (p->n_bytes <= n && memcmp(t->text.data + p->begin, s, p->n_bytes) == 0)
            return &t->added[i];
    }
    return NULL;
}

static bool take_added(struct encoder *e, const struct added *a)
{
    e->swallow = a->rstrip;
    return flush(e) && ids_push(e->out, a->id);
}

/* Takes one character of ordinary text; the first of a stretch gets the space mark before it. */
static bool take_char(struct encoder *e, const char *s, size_t n)
{
    uint32_t c;
    utf8_next(s, n, &c);
    if (e->swallow && is_white(c)) return true;
    e->swallow = false;
    if (e->symbols.n == 0 && !push_space(e)) return false;
    if (c == ' ') return push_space(e);
    return c == UTF8_REPLACEMENT ? push_char(e, "\xef\xbf\xbd", 3) : push_char(e, s, n);
}

static bool take_span(struct encoder *e, const struct text_span *span)
{
    const char *s = span->text;
    for (size_t i = 0, n, ask_at = 0; i < span->n_bytes; i += n) {
        uint32_t c;
        const struct added *a = span->special ? match_added(e->t, s + i, span->n_bytes - i) : NULL;
        if (stop_asked_at(e->stop, i, &ask_at, ASK_EVERY)) return false;
        n = a ? e->t->tokens[a->id].n_bytes : utf8_next(s + i, span->n_bytes - i, &c);
        if (!(a ? take_added(e, a) : take_char(e, s + i, n))) return false;
    }
    return true;
}

int tokenizer_encode(const struct tokenizer *t, const struct text_span *spans, int n_spans,
                     bool bos, struct stop *stop, struct ids *ids, struct phi3v_error *err)
{
    struct encoder e = {.t = t, .out = ids, .stop = stop};
    size_t n_bytes = 0;
    bool ok = !bos || ids_push(ids, t->bos_id);
    for (int i = 0; i < n_spans && ok; i++) {
        ok = take_span(&e, &spans[i]);
        n_bytes += spans[i].n_bytes;
    }
    ok = ok && flush(&e);
    ids_fini(&e.symbols);
    bpe_fini(&e.bpe);
    if (stop && stop->seen) return err_set(err, PHI3V_E_CANCELLED, "tokenising was cancelled");
    return ok ? 0 : err_memory(err, "tokenising", n_bytes * 40);
}
