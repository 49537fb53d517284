/* SPDX-License-Identifier: MIT */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "common/memory.h"
#include "notebook/certainty.h"

static const float worth_keeping = 6.9f; /* below the best: a thousand times less probable */

void certainty_free(struct certainty *c)
{
    free(c->v);
    *c = (struct certainty){0};
}

bool certainty_copy(struct certainty *to, const struct certainty *from)
{
    *to = (struct certainty){0};
    if (!from->n) return true;
    to->v = memory_copy(from->v, from->n * sizeof *to->v);
    to->n = to->v ? from->n : 0;
    return to->v != NULL;
}

static struct certain_token unknown(void)
{
    struct certain_token t = {.logprob = NAN};
    for (int k = 0; k < CERTAINTY_TOP; k++) t.top[k].id = -1;
    return t;
}

bool certainty_resize(struct certainty *c, size_t n)
{
    if (n > c->n) {
        struct certain_token *v = memory_grow(c->v, n, sizeof *v);
        if (!v) return false;
        c->v = v;
        for (size_t i = c->n; i < n; i++) v[i] = unknown();
    }
    c->n = n;
    return true;
}

bool certainty_add(struct certainty *c, const struct phi3v_result *r, size_t n)
{
    size_t at = c->n;
    if (!certainty_resize(c, at + n)) return false;
    for (size_t i = 0; i < n && r->logprobs; i++) {
        struct certain_token *t = &c->v[at + i];
        t->logprob = r->logprobs[i];
        const struct phi3v_logprob *top = r->top + i * (size_t)r->n_top;
        for (int k = 0; k < r->n_top && k < CERTAINTY_TOP; k++)
            if (top[k].logprob >= top[0].logprob - worth_keeping) t->top[k] = top[k];
    }
    return true;
}

double certainty_probability(const struct certain_token *t)
{
    return isnan(t->logprob) ? 0 : exp((double)t->logprob);
}

double certainty_least(const struct certainty *c)
{
    double least = (double)NAN;
    for (size_t i = 0; i < c->n; i++)
        if (!isnan(c->v[i].logprob)) least = fmin(least, exp((double)c->v[i].logprob));
    return least;
}

double certainty_least_of(const float *logprobs, size_t n)
{
    double least = (double)NAN;
    for (size_t i = 0; i < n && logprobs; i++) least = fmin(least, exp((double)logprobs[i]));
    return least;
}

/* -- In notebooks ----------------------------------------------------------------------------- */

/* Never writes "-0.000", and uses a point in every locale. */
static void add_logprob(struct text *t, double x)
{
    long long thousandths = llround(fmin(fmax(x, -1e6), 0) * 1000);
    text_addf(t, "%s%lld.%03lld", thousandths < 0 ? "-" : "", -thousandths / 1000,
              -thousandths % 1000);
}

static char *token_text(const struct certain_token *token)
{
    struct text t = {0};
    if (!isnan(token->logprob)) add_logprob(&t, (double)token->logprob);
    for (int k = 0; k < CERTAINTY_TOP && token->top[k].id >= 0; k++) {
        text_addf(&t, " %d:", (int)token->top[k].id);
        add_logprob(&t, (double)token->top[k].logprob);
    }
    return t.n || t.failed ? text_take(&t) : text_copy("");
}

json_t *certainty_json(const struct certainty *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->n; i++) {
        char *text = token_text(&c->v[i]);
        if (!text || json_array_append_new(list, json_string(text))) {
            json_decref(list);
            list = NULL;
        }
        free(text);
        if (!list) break;
    }
    return list;
}

/* Reads "-1.234" at s; returns its end, or NULL if there is none. */
static const char *read_logprob(const char *s, float *ret)
{
    bool minus = *s == '-';
    double x = 0, unit = 1;
    const char *p = s + minus, *begun = p;
    for (; *p >= '0' && *p <= '9' && p - begun < 9; p++) x = 10 * x + (*p - '0');
    if (p == begun || *p != '.') return NULL;
    for (p++; *p >= '0' && *p <= '9'; p++) x += (*p - '0') * (unit /= 10);
    *ret = (float)(minus ? -x : x);
    return x == 0 || minus ? p : NULL;
}

static bool read_token(const char *s, struct certain_token *ret)
{
    *ret = unknown();
    if (*s && *s != ' ' && !(s = read_logprob(s, &ret->logprob))) return false;
    for (int k = 0; *s; k++) {
        int id, n = -1;
        if (k == CERTAINTY_TOP || sscanf(s, " %9d:%n", &id, &n) != 1 || id < 0 || n < 0)
            return false;
        ret->top[k].id = id;
        if (!(s = read_logprob(s + n, &ret->top[k].logprob))) return false;
    }
    return true;
}

bool certainty_read(const json_t *list, struct certainty *ret)
{
    size_t n = json_array_size(list);
    *ret = (struct certainty){0};
    bool good = certainty_resize(ret, n);
    for (size_t i = 0; i < n && good; i++) {
        const char *s = json_string_value(json_array_get(list, i));
        good = s && read_token(s, &ret->v[i]);
    }
    if (!good) certainty_free(ret);
    return good;
}
