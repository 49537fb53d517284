/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the two dialects' replies have in common. */
#include "serve/reply.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <openssl/rand.h>

#include "common/json.h"
#include "common/must.h"

/* Makes an id that cannot be guessed. */
static void reply_id(const char *prefix, char *ret, size_t n)
{
    unsigned char random[12] = {0};
    char digits[2 * sizeof random + 1];
    RAND_bytes(random, sizeof random);
    hex_text(random, sizeof random, digits);
    snprintf(ret, n, "%s%s", prefix, digits);
}

void reply_init(struct reply *r)
{
    reply_id(r->dialect->id_prefix, r->id, sizeof r->id);
    r->created = time(NULL);
}

void reply_fini(struct reply *r) { text_free(&r->said); }

void reply_event(struct text *out, const char *name, json_t *data)
{
    char *line = must(json_line(data));
    if (name) text_addf(out, "event: %s\n", name);
    text_addf(out, "data: %s\n\n", line);
    free(line);
    json_decref(data);
}

/* -- Tokens ------------------------------------------------------------------------------------ */

enum { MAX_TOKEN = 256 };

/* JSON has no -inf; OpenAI's interface uses -9999 in its place. */
static json_t *logprob_json(float x)
{
    return json_real(isfinite(x) ? round((double)x * 1e6) / 1e6 : -9999.0);
}

/* A token's bytes as they appear in the text, where the first token loses its leading space. */
static size_t bytes_of(const struct reply *r, int32_t id, char *buf, const char **ret)
{
    size_t n = phi3v_token_bytes(r->model, id, buf, MAX_TOKEN);
    if (n > MAX_TOKEN) n = MAX_TOKEN;
    bool skip = r->n_tokens == 0 && n > 0 && *buf == ' ';
    *ret = buf + skip;
    return n - skip;
}

static json_t *token_json(const struct reply *r, int32_t id, float logprob)
{
    char buf[MAX_TOKEN];
    const char *bytes;
    size_t n = bytes_of(r, id, buf, &bytes);
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_integer((unsigned char)bytes[i]));
    return json_pack("{s:o,s:o,s:o}", "token", json_textn(bytes, n), "logprob",
                     logprob_json(logprob), "bytes", list);
}

json_t *reply_tokens(struct reply *r, const struct generation_token *tokens, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct generation_token *t = &tokens[i];
        json_t *top = json_array();
        for (int k = 0; k < t->n_top && k < r->request->n_top; k++)
            if (t->top[k].id >= 0)
                json_array_append_new(top, token_json(r, t->top[k].id, t->top[k].logprob));
        json_t *item = token_json(r, t->id, t->logprob);
        json_object_set_new(item, "top_logprobs", top);
        json_array_append_new(list, item);
        r->n_tokens++;
    }
    return list;
}
