/* SPDX-License-Identifier: MIT
 * Ids to text (docs/model.md, Ids to text), one at a time; decoding a whole list is the same in one
 * go. golden: tokenizer/cases.json */
#include <string.h>

#include "base/mem.h"
#include "base/utf8.h"
#include "text/vocab.h"

enum { RUN_BYTES = 512 }; /* memory reserved for a run of byte tokens; longer runs are rare */

struct detok {
    const struct tokenizer *t;
    bool keep_special;
    bool started;    // text was returned, so a space is no longer the leading one
    struct buf run;  // byte tokens so far; their text is final only when the run ends
    struct buf text; // what the last call returned
};

static void detok_fini(struct detok *d)
{
    buf_fini(&d->run);
    buf_fini(&d->text);
}

static void put(struct detok *d, const char *s, size_t n)
{
    if (n == 0) return;
    bool leading = !d->started && *s == ' ';
    d->started = true;
    buf_append(&d->text, s + leading, n - leading);
}

/* Ends a run of byte tokens: it becomes text if all of it is UTF-8, else a replacement character
 * per byte. */
static void end_run(struct detok *d)
{
    if (utf8_is_valid(d->run.data, d->run.n))
        put(d, d->run.data, d->run.n);
    else
        for (size_t i = 0; i < d->run.n; i++) put(d, "\xef\xbf\xbd", 3);
    d->text.failed |= d->run.failed; // because buf_clear resets it
    buf_clear(&d->run);
}

static void put_token(struct detok *d, const char *s, size_t n)
{
    size_t begin = 0;
    for (size_t i = 0; i + 3 <= n; i++) {
        if (memcmp(s + i, SPACE_MARK, 3) != 0) continue;
        put(d, s + begin, i - begin);
        put(d, " ", 1);
        begin = i + 3;
        i += 2;
    }
    put(d, s + begin, n - begin);
}

/* Appends to d->text the text that id makes final. */
static void feed(struct detok *d, int32_t id)
{
    const struct tokenizer *t = d->t;
    if (id < 0 || id >= t->n_ids) return;
    const struct token *p = &t->tokens[id];
    if (!(p->flags & TOKEN_PRESENT)) return;
    if ((p->flags & TOKEN_SPECIAL) && !d->keep_special) return;
    if (p->flags & TOKEN_BYTE) {
        buf_putc(&d->run, (char)p->byte);
        return;
    }
    end_run(d);
    put_token(d, token_text(t, id), p->n_bytes);
}

size_t tokenizer_bytes(const struct tokenizer *t, int32_t id, char *buf, size_t cap)
{
    if (id < 0 || id >= t->n_ids) return 0;
    const struct token *p = &t->tokens[id];
    if (!(p->flags & TOKEN_PRESENT) || p->flags & TOKEN_SPECIAL) return 0;
    const char *s = p->flags & TOKEN_BYTE ? (const char *)&p->byte : token_text(t, id);
    size_t n = p->flags & TOKEN_BYTE ? 1 : p->n_bytes, n_out = 0;
    for (size_t i = 0; i < n; n_out++) {
        bool space = i + 3 <= n && !(p->flags & TOKEN_BYTE) && !memcmp(s + i, SPACE_MARK, 3);
        if (n_out < cap) buf[n_out] = space ? ' ' : s[i];
        i += space ? 3 : 1;
    }
    return n_out;
}

static int check_memory(const struct detok *d, struct phi3v_error *err)
{
    bool failed = d->run.failed || d->text.failed;
    return failed ? err_memory(err, "decoded text", d->text.n + d->run.n) : 0;
}

int tokenizer_decode(const struct tokenizer *t, const int32_t *ids, size_t n, bool keep_special,
                     char **ret_text, size_t *ret_n, struct phi3v_error *err)
{
    struct detok d = {.t = t, .keep_special = keep_special};
    for (size_t i = 0; i < n; i++) feed(&d, ids[i]);
    end_run(&d);
    buf_puts(&d.text, ""); // a terminating NUL even when empty
    int code = check_memory(&d, err);
    if (!code) {
        *ret_n = d.text.n;
        *ret_text = buf_take(&d.text);
    }
    detok_fini(&d);
    return code;
}

int detok_new(const struct tokenizer *t, bool keep_special, struct detok **ret,
              struct phi3v_error *err)
{
    struct detok *d = mem_zalloc(sizeof *d);
    if (!d) return err_memory(err, "the detokeniser", sizeof *d);
    d->t = t;
    d->keep_special = keep_special;
    buf_reserve(&d->run, RUN_BYTES); // so that pushing does not allocate
    buf_reserve(&d->text, 3 * RUN_BYTES);
    int code = check_memory(d, err);
    if (code)
        detok_free(d);
    else
        *ret = d;
    return code;
}

void detok_free(struct detok *d)
{
    if (!d) return;
    detok_fini(d);
    mem_free(d);
}

static int give(struct detok *d, const char **ret_text, size_t *ret_n, struct phi3v_error *err)
{
    int code = check_memory(d, err);
    if (code) return code;
    *ret_text = d->text.data ? d->text.data : "";
    *ret_n = d->text.n;
    return 0;
}

int detok_push(struct detok *d, int32_t id, const char **ret_text, size_t *ret_n,
               struct phi3v_error *err)
{
    buf_clear(&d->text);
    feed(d, id);
    return give(d, ret_text, ret_n, err);
}

int detok_finish(struct detok *d, const char **ret_text, size_t *ret_n, struct phi3v_error *err)
{
    buf_clear(&d->text);
    end_run(d);
    return give(d, ret_text, ret_n, err);
}
