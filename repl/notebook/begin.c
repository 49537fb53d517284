/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "notebook/begin.h"
#include "notebook/core.h"
#include "notebook/fork.h"
#include "notebook/source.h"
#include "notebook/token_text.h"

/* The text as the line means it, without the quotes that protect its blanks. */
static char *plain_text(const char *text)
{
    char *plain = source_arguments(text);
    size_t n = plain ? strlen(plain) : 0;
    if (n < 2 || *plain != '"' || plain[n - 1] != '"') return plain;
    memmove(plain, plain + 1, n - 2);
    plain[n - 2] = 0;
    return plain;
}

/* -- The ids of a text ------------------------------------------------------------------------ */

/* The ids of text inside a sequence. It is tokenized after a line end, which no token spans, so
 * that the blank which tokenizers put before a text goes there. */
static int ids_within(const phi3v_model *model, const char *text, int32_t **ret, size_t *ret_n,
                      struct phi3v_error *err)
{
    int32_t *end, *all;
    size_t n_end, n_all;
    char *behind = text_format("\n%s", text);
    if (!behind) return memory_error(err);
    int rc = phi3v_tokenize(model, "\n", 1, 0, 0, &end, &n_end, err);
    if (rc) {
        free(behind);
        return rc;
    }
    rc = phi3v_tokenize(model, behind, strlen(behind), 0, 0, &all, &n_all, err);
    free(behind);
    if (!rc && n_all > n_end && !memcmp(all, end, n_end * sizeof *all)) {
        memmove(all, all + n_end, (n_all - n_end) * sizeof *all);
        *ret = all;
        *ret_n = n_all - n_end;
    } else if (!rc) {
        phi3v_ids_free(all);
        rc = phi3v_tokenize(model, text, strlen(text), 0, 0, ret, ret_n, err);
    }
    phi3v_ids_free(end);
    return rc;
}

/* The ids of text behind so many tokens of an answer, which is tokenized by itself (docs/model.md,
 * Text to ids). */
static int ids_behind(const struct notebook *nb, size_t n_tokens, const char *text, int32_t **ret,
                      size_t *ret_n, struct phi3v_error *err)
{
    phi3v_model *model;
    int rc = engine_model(&nb->engine, "an answer's beginning", &model, err);
    if (rc) return rc;
    return n_tokens ? ids_within(model, text, ret, ret_n, err)
                    : phi3v_tokenize(model, text, strlen(text), 0, 0, ret, ret_n, err);
}

static size_t trimmed(const char **s)
{
    *s += strspn(*s, " ");
    size_t n = strlen(*s);
    while (n > 0 && (*s)[n - 1] == ' ') n--;
    return n;
}

static bool same_text(const char *a, const char *b, bool but_for_blanks)
{
    if (!but_for_blanks) return !strcmp(a, b);
    size_t n = trimmed(&a), n_b = trimmed(&b);
    return n > 0 && n == n_b && !memcmp(a, b, n);
}

/* Finds the runner-up with this text, either exactly or apart from surrounding blanks; -1: none. */
static int find_runner_up(const struct notebook *nb, const struct cell *of, size_t at,
                          const char *text, int32_t *ret_id, struct phi3v_error *err)
{
    *ret_id = -1;
    if (at >= of->certainty.n) return 0;
    const struct phi3v_logprob *top = of->certainty.v[at].top;
    for (int loosely = 0; loosely < 2 && *ret_id < 0; loosely++)
        for (int k = 0; k < CERTAINTY_TOP && top[k].id >= 0 && *ret_id < 0; k++) {
            char *says;
            int rc = token_text_next(nb, of->ids, at, top[k].id, &says, err);
            if (rc) return rc;
            if (same_text(says, text, loosely)) *ret_id = top[k].id;
            phi3v_string_free(says);
        }
    return 0;
}

/* -- The beginning of the answer -------------------------------------------------------------- */

/* Makes the first `keep` tokens of `of` and n more the cell's answer. */
static int begin_with(const struct notebook *nb, struct cell *c, const struct cell *of, size_t keep,
                      const int32_t *more, size_t n, struct phi3v_error *err)
{
    struct certainty certainty;
    int32_t *ids = memory_new((keep + n) * sizeof *ids);
    char *text = NULL, *answer = NULL;
    bool whole = ids && certainty_copy(&certainty, &of->certainty);
    if (!whole) {
        free(ids);
        return memory_error(err);
    }
    if (keep) memcpy(ids, of->ids, keep * sizeof *ids);
    if (n) memcpy(ids + keep, more, n * sizeof *ids);
    size_t n_text;
    phi3v_model *model;
    int rc = engine_model(&nb->engine, "an answer's beginning", &model, err);
    if (!rc) rc = phi3v_detokenize(model, ids, keep + n, 0, &text, &n_text, err);
    if (!rc) answer = text_copyn(text, n_text);
    phi3v_string_free(text);
    whole = certainty_resize(&certainty, keep) && certainty_resize(&certainty, keep + n);
    if (!rc && (!answer || !whole)) rc = memory_error(err);
    /* A runner-up's probability is known. */
    for (int k = 0; !rc && n == 1 && keep < of->certainty.n && k < CERTAINTY_TOP; k++) {
        struct certain_token *t = &certainty.v[keep];
        const struct certain_token *was = &of->certainty.v[keep];
        t->top[k] = was->top[k];
        if (was->top[k].id == more[0]) t->logprob = was->top[k].logprob;
    }
    if (rc) {
        free(ids);
        free(answer);
        certainty_free(&certainty);
        return rc;
    }
    free(c->answer);
    free(c->ids);
    certainty_free(&c->certainty);
    c->answer = answer;
    c->ids = ids;
    c->n_ids = keep + n;
    c->certainty = certainty;
    return 0;
}

/* The same with a text instead of ids. */
static int begin_with_text(const struct notebook *nb, struct cell *c, const struct cell *of,
                           size_t keep, const char *written, struct phi3v_error *err)
{
    char *text = plain_text(written);
    int32_t id, *ids;
    size_t n;
    if (!text) return memory_error(err);
    int rc = find_runner_up(nb, of, keep, text, &id, err);
    if (!rc && id >= 0) {
        rc = begin_with(nb, c, of, keep, &id, 1, err);
    } else if (!rc && !(rc = ids_behind(nb, keep, text, &ids, &n, err))) {
        rc = begin_with(nb, c, of, keep, ids, n, err);
        phi3v_ids_free(ids);
    }
    free(text);
    return rc;
}

/* -- What the lines say ------------------------------------------------------------------------ */

static int begin_as_fork(struct notebook *nb, int i, const struct fork *f, struct phi3v_error *err)
{
    int rc = fork_check(nb, i, f, err);
    if (rc) return rc;
    struct cell *c = &nb->book.v[i];
    const struct cell *of = &nb->book.v[f->cell - 1];
    return f->text ? begin_with_text(nb, c, of, f->token - 1, f->text, err)
                   : begin_with(nb, c, of, f->token, NULL, 0, err);
}

/* What the last :say line says; empty: nothing. */
static const char *said(const struct lines *lines)
{
    static const char say[] = ":say";
    for (int k = lines->n - 1; k >= 0; k--) {
        const char *line = lines->v[k].text, *text = line + sizeof say - 1;
        if (!strncmp(line, say, sizeof say - 1) && strchr(" \t\n", *text))
            return text + strspn(text, " \t\n");
    }
    return "";
}

int answer_begin(struct notebook *nb, int i, size_t *ret_n, struct phi3v_error *err)
{
    static const struct cell none = {0};
    struct cell *c = &nb->book.v[i];
    struct fork f;
    bool forked = fork_of_lines(&c->lines, &f) && f.token > 0;
    const char *text = said(&c->lines);
    *ret_n = 0;
    if (!forked && !*text) return 0;
    int rc = forked ? begin_as_fork(nb, i, &f, err) : begin_with_text(nb, c, &none, 0, text, err);
    if (!rc) *ret_n = c->n_ids;
    return rc;
}
