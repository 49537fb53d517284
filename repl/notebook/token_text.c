/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "notebook/token_text.h"

/* A token's text depends on the tokens before it (the first one loses its blank, a character may be
 * made of several), so we decode with some tokens before it and subtract their text. */
enum { BEFORE = 16, BEHIND = 4 };

static int text_of(const struct notebook *nb, const int32_t *ids, size_t from, size_t to,
                   bool special, char **ret, struct phi3v_error *err)
{
    size_t n;
    phi3v_model *model;
    int rc = engine_model(&nb->engine, "the text of token ids", &model, err);
    return rc ? rc : phi3v_detokenize(model, ids + from, to - from, special, ret, &n, err);
}

/* The bytes of the whole characters with which both begin. */
static size_t common_bytes(const char *a, const char *b)
{
    size_t n = 0;
    while (a[n] && a[n] == b[n]) n++;
    while (n > 0 && ((a[n] | b[n]) & 0xC0) == 0x80) n--;
    return n;
}

/* The bytes of ids [from, to) whose characters are complete, as the ids after them show. */
static int settled(const struct notebook *nb, const struct cell *c, size_t from, size_t to,
                   bool special, size_t *ret, struct phi3v_error *err)
{
    char *text, *longer;
    size_t end = to + BEHIND < c->n_ids ? to + BEHIND : c->n_ids;
    int rc = text_of(nb, c->ids, from, to, special, &text, err);
    if (rc) return rc;
    rc = text_of(nb, c->ids, from, end, special, &longer, err);
    if (!rc) {
        *ret = common_bytes(text, longer);
        phi3v_string_free(longer);
    }
    phi3v_string_free(text);
    return rc;
}

static int find_ends(const struct notebook *nb, const struct cell *c, bool special, size_t *ends,
                     struct phi3v_error *err)
{
    int rc = 0;
    for (size_t i = 0; i < c->n_ids && !rc; i++) {
        size_t from = i > BEFORE ? i - BEFORE : 0, before = 0, with = 0;
        if (i > from) rc = settled(nb, c, from, i, special, &before, err);
        if (!rc) rc = settled(nb, c, from, i + 1, special, &with, err);
        ends[i] = (i ? ends[i - 1] : 0) + (with > before ? with - before : 0);
    }
    return rc;
}

/* Whether this model turns the ids into the answer; a stop string may have ended the answer later,
 * or inside a character. */
static bool fits(const struct notebook *nb, const struct cell *c, bool special)
{
    char *text;
    if (text_of(nb, c->ids, 0, c->n_ids, special, &text, NULL)) return false;
    bool same = !strncmp(text, c->answer, strlen(text));
    phi3v_string_free(text);
    return same;
}

bool token_text_fits(const struct notebook *nb, const struct cell *c)
{
    return c->ids && c->n_ids > 0 && (fits(nb, c, false) || fits(nb, c, true));
}

int token_text_ends(const struct notebook *nb, const struct cell *c, size_t *ret_ends,
                    struct phi3v_error *err)
{
    bool special = !fits(nb, c, false);
    if (special && !fits(nb, c, true))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "the answer is not made of this model's tokens: :run the cell first");
    return find_ends(nb, c, special, ret_ends, err);
}

int token_text_next(const struct notebook *nb, const int32_t *ids, size_t n, int32_t id, char **ret,
                    struct phi3v_error *err)
{
    int32_t with[BEFORE + 1];
    size_t k = n < BEFORE ? n : BEFORE;
    if (k) memcpy(with, ids + n - k, k * sizeof *with);
    with[k] = id;
    char *before, *whole;
    int rc = text_of(nb, with, 0, k, true, &before, err);
    if (rc) return rc;
    rc = text_of(nb, with, 0, k + 1, true, &whole, err);
    if (!rc) {
        size_t skip = common_bytes(before, whole);
        memmove(whole, whole + skip, strlen(whole + skip) + 1);
        *ret = whole;
    }
    phi3v_string_free(before);
    return rc;
}
