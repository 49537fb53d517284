/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serve/reply.h"

#include <math.h>
#include <stdio.h>
#include <time.h>

#include <openssl/rand.h>

#include "common/json.h"

void reply_init(struct reply *r, const char *prefix)
{
    unsigned char random[12] = {0};
    RAND_bytes(random, sizeof random);
    int n = snprintf(r->id, sizeof r->id, "%s-", prefix);
    for (size_t i = 0; i < sizeof random; i++) sprintf(r->id + n + 2 * i, "%02x", random[i]);
    r->created = time(NULL);
}

const char *reply_finish(const struct work_end *end)
{
    static const char *const names[] = {
        [PHI3V_FINISH_STOP] = "stop", [PHI3V_FINISH_LENGTH] = "length"};
    return end->finish == PHI3V_FINISH_INTERRUPTED ? NULL : names[end->finish];
}

/* -- Tokens ------------------------------------------------------------------------------------ */

/* -inf is no number in JSON; clients know this one as "beyond all". */
static json_t *logprob_json(float x)
{
    return json_real(isfinite(x) ? round((double)x * 1e6) / 1e6 : -9999.0);
}

enum { MAX_TOKEN = 256 };

/* Its bytes as the text has them: the first one's leading space is left out there. */
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

json_t *reply_tokens(struct reply *r, const struct work_token *tokens, size_t n)
{
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        const struct work_token *t = &tokens[i];
        json_t *top = json_array();
        for (int k = 0; k < t->n_top && k < r->n_top; k++)
            if (t->top[k].id >= 0)
                json_array_append_new(top, token_json(r, t->top[k].id, t->top[k].logprob));
        json_t *item = token_json(r, t->id, t->logprob);
        json_object_set_new(item, "top_logprobs", top);
        json_array_append_new(list, item);
        r->n_tokens++;
    }
    return list;
}

/* -- Shapes ------------------------------------------------------------------------------------ */

json_t *reply_usage(const struct reply *r, const struct work_end *end)
{
    return json_pack("{s:I,s:I,s:I,s:{s:I}}", "prompt_tokens", (json_int_t)r->n_prompt,
                     "completion_tokens", (json_int_t)end->n_ids, "total_tokens",
                     (json_int_t)(r->n_prompt + end->n_ids), "prompt_tokens_details",
                     "cached_tokens", (json_int_t)end->timing.cached_tokens);
}

/* {"content": [...]}, or null where they were not asked for. */
static json_t *logprobs_json(json_t *list)
{
    return list ? json_pack("{s:o,s:n}", "content", list, "refusal") : json_null();
}

json_t *reply_chat(const struct reply *r, const char *text, json_t *logprobs,
                   const struct work_end *end)
{
    json_t *choice = json_pack("{s:i,s:{s:s,s:o,s:n},s:o,s:s?}", "index", 0, "message", "role",
                               "assistant", "content", json_text(text), "refusal", "logprobs",
                               logprobs_json(logprobs), "finish_reason", reply_finish(end));
    return json_pack("{s:s,s:s,s:I,s:s,s:[o],s:o}", "id", r->id, "object", "chat.completion",
                     "created", (json_int_t)r->created, "model", r->model_name, "choices", choice,
                     "usage", reply_usage(r, end));
}

static json_t *chunk_json(const struct reply *r, json_t *choices)
{
    return json_pack("{s:s,s:s,s:I,s:s,s:o}", "id", r->id, "object", "chat.completion.chunk",
                     "created", (json_int_t)r->created, "model", r->model_name, "choices", choices);
}

json_t *reply_chunk(const struct reply *r, bool first, const char *text, json_t *logprobs,
                    const char *finish)
{
    json_t *delta = json_object();
    if (first) json_object_set_new(delta, "role", json_string("assistant"));
    if (text) json_object_set_new(delta, "content", json_text(text));
    return chunk_json(r, json_pack("[{s:i,s:o,s:o,s:s?}]", "index", 0, "delta", delta, "logprobs",
                                   logprobs_json(logprobs), "finish_reason", finish));
}

json_t *reply_usage_chunk(const struct reply *r, const struct work_end *end)
{
    json_t *chunk = chunk_json(r, json_array());
    json_object_set_new(chunk, "usage", reply_usage(r, end));
    return chunk;
}
