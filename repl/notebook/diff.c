/* SPDX-License-Identifier: MIT */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "notebook/diff.h"

enum { MAX_TABLE = 4 << 20 }; /* entries: 2048 words against 2048 others */

struct part {
    const char *text;
    size_t n_word, n; // bytes without and with the blanks after it
};
struct parts {
    struct part *v;
    size_t n;
};

/* -- Words ------------------------------------------------------------------------------------ */

static bool split(const char *s, struct parts *ret)
{
    *ret = (struct parts){0};
    while (*s) {
        struct part *v = memory_room(ret->v, ret->n, sizeof *v);
        if (!v) return false;
        ret->v = v;
        size_t word = strcspn(s, " \t\n"), all = word + strspn(s + word, " \t\n");
        v[ret->n++] = (struct part){s, word, all};
        s += all;
    }
    return true;
}

static bool same(const struct part *a, const struct part *b)
{
    return a->n_word == b->n_word && !memcmp(a->text, b->text, a->n_word);
}

/* -- The longest common row of words ---------------------------------------------------------- */

/* What remains to be compared between the words with which both texts begin and end. */
struct middle {
    const struct part *a, *b;
    size_t n_a, n_b;
    uint16_t *length; // [n_a + 1][n_b + 1] of the longest common row from there; NULL: too large
};

static uint16_t *at(const struct middle *m, size_t i, size_t k)
{
    return &m->length[i * (m->n_b + 1) + k];
}

static int measure(struct middle *m, struct phi3v_error *err)
{
    if ((m->n_a + 1) > MAX_TABLE / (m->n_b + 1)) return 0;
    m->length = memory_zero((m->n_a + 1) * (m->n_b + 1), sizeof *m->length);
    if (!m->length) return memory_error(err);
    for (size_t i = m->n_a; i-- > 0;)
        for (size_t k = m->n_b; k-- > 0;) {
            uint16_t down = *at(m, i + 1, k), right = *at(m, i, k + 1);
            *at(m, i, k) = same(&m->a[i], &m->b[k]) ? (uint16_t)(*at(m, i + 1, k + 1) + 1)
                           : down >= right          ? down
                                                    : right;
        }
    return 0;
}

/* -- Changes ---------------------------------------------------------------------------------- */

/* Adds a word, joining it to the last change if that has the same kind and its text continues. */
static bool put(struct diff *d, enum nb_change_kind kind, const struct part *p)
{
    struct nb_change *last = d->n ? &d->v[d->n - 1] : NULL;
    if (last && last->kind == kind && last->text + last->n_bytes == p->text) {
        last->n_bytes += p->n;
        return true;
    }
    struct nb_change *v = memory_room(d->v, (size_t)d->n, sizeof *v);
    if (!v) return false;
    d->v = v;
    v[d->n++] = (struct nb_change){kind, p->text, p->n};
    return true;
}

static bool put_middle(struct diff *d, const struct middle *m)
{
    size_t i = 0, k = 0;
    bool whole = true;
    while ((i < m->n_a || k < m->n_b) && whole) {
        bool both = m->length && i < m->n_a && k < m->n_b;
        if (both && same(&m->a[i], &m->b[k])) {
            whole = put(d, NB_SAME, &m->b[k++]);
            i++;
        } else if (i < m->n_a && (!both || *at(m, i + 1, k) >= *at(m, i, k + 1))) {
            whole = put(d, NB_GONE, &m->a[i++]);
        } else {
            whole = put(d, NB_NEW, &m->b[k++]);
        }
    }
    return whole;
}

static int compare(const struct parts *a, const struct parts *b, struct diff *d,
                   struct phi3v_error *err)
{
    size_t head = 0, tail = 0, least = a->n < b->n ? a->n : b->n;
    while (head < least && same(&a->v[head], &b->v[head])) head++;
    while (tail < least - head && same(&a->v[a->n - 1 - tail], &b->v[b->n - 1 - tail])) tail++;
    struct middle m = {a->v + head, b->v + head, a->n - head - tail, b->n - head - tail, NULL};
    int rc = measure(&m, err);
    bool whole = true;
    for (size_t k = 0; k < head && whole; k++) whole = put(d, NB_SAME, &b->v[k]);
    if (!rc && whole) whole = put_middle(d, &m);
    for (size_t k = b->n - tail; k < b->n && whole; k++) whole = put(d, NB_SAME, &b->v[k]);
    free(m.length);
    return rc ? rc : whole ? 0 : memory_error(err);
}

int diff_words(const char *before, const char *after, struct diff *ret, struct phi3v_error *err)
{
    struct parts a, b = {0};
    *ret = (struct diff){0};
    int rc = split(before, &a) && split(after, &b) ? compare(&a, &b, ret, err) : memory_error(err);
    free(a.v);
    free(b.v);
    if (rc) diff_free(ret);
    return rc;
}

void diff_free(struct diff *d)
{
    free(d->v);
    *d = (struct diff){0};
}

/* The marks enclose the words; trailing blanks go outside. */
static void add_marked(struct text *t, const struct nb_change *c, const char *open,
                       const char *close)
{
    size_t n = c->n_bytes;
    while (n > 0 && strchr(" \t\n", c->text[n - 1])) n--;
    if (n) text_addf(t, "%s%.*s%s", open, (int)n, c->text, close);
    text_addn(t, c->text + n, c->n_bytes - n);
    if (n == c->n_bytes) text_add(t, " ");
}

char *diff_text(const struct diff *d)
{
    struct text t = {0};
    for (int k = 0; k < d->n; k++) {
        const struct nb_change *c = &d->v[k];
        if (c->kind == NB_SAME) {
            text_addn(&t, c->text, c->n_bytes);
            bool apart = c->n_bytes && strchr(" \t\n", c->text[c->n_bytes - 1]);
            if (!apart && k + 1 < d->n) text_add(&t, " ");
        } else {
            add_marked(&t, c, c->kind == NB_GONE ? "[-" : "{+", c->kind == NB_GONE ? "-]" : "+}");
        }
    }
    while (t.n > 0 && t.s[t.n - 1] == ' ') t.s[--t.n] = 0;
    return text_take(&t);
}
