/* SPDX-License-Identifier: GPL-3.0-or-later
 * Chat completions. */
#include "common/json.h"
#include "serve/reply.h"

static const char *finish_of(const struct generation_end *end)
{
    return end->finish == PHI3V_FINISH_STOP ? "stop" : "length";
}

static json_t *usage_json(const struct reply *r, const struct generation_end *end)
{
    return json_pack("{s:I,s:I,s:I,s:{s:I}}", "prompt_tokens", (json_int_t)r->n_prompt,
                     "completion_tokens", (json_int_t)end->n_ids, "total_tokens",
                     (json_int_t)(r->n_prompt + end->n_ids), "prompt_tokens_details",
                     "cached_tokens", (json_int_t)end->timing.cached_tokens);
}

/* {"content": [...]}, or null when they were not asked for. */
static json_t *logprobs_json(json_t *tokens)
{
    return tokens ? json_pack("{s:o,s:n}", "content", tokens, "refusal") : json_null();
}

static json_t *whole(const struct reply *r, const char *text, json_t *tokens,
                     const struct generation_end *end)
{
    json_t *choice = json_pack("{s:i,s:{s:s,s:o,s:n},s:o,s:s}", "index", 0, "message", "role",
                               "assistant", "content", json_text(text), "refusal", "logprobs",
                               logprobs_json(tokens), "finish_reason", finish_of(end));
    return json_pack("{s:s,s:s,s:I,s:s,s:[o],s:o}", "id", r->id, "object", "chat.completion",
                     "created", (json_int_t)r->created, "model", r->model_name, "choices", choice,
                     "usage", usage_json(r, end));
}

static json_t *chunk_json(const struct reply *r, json_t *choices)
{
    return json_pack("{s:s,s:s,s:I,s:s,s:o}", "id", r->id, "object", "chat.completion.chunk",
                     "created", (json_int_t)r->created, "model", r->model_name, "choices", choices);
}

/* Takes delta and tokens; finish is NULL until the last chunk. */
static void send_chunk(const struct reply *r, json_t *delta, json_t *tokens, const char *finish,
                       struct text *out)
{
    json_t *choices = json_pack("[{s:i,s:o,s:o,s:s?}]", "index", 0, "delta", delta, "logprobs",
                                logprobs_json(tokens), "finish_reason", finish);
    reply_event(out, NULL, chunk_json(r, choices));
}

static void begin(struct reply *r, struct text *out)
{
    send_chunk(r, json_pack("{s:s,s:s}", "role", "assistant", "content", ""), NULL, NULL, out);
}

static void more(struct reply *r, const char *text, json_t *tokens, struct text *out)
{
    send_chunk(r, json_pack("{s:o}", "content", json_text(text)), tokens, NULL, out);
}

static void end_stream(struct reply *r, const struct generation_end *end, struct text *out)
{
    send_chunk(r, json_object(), NULL, finish_of(end), out);
    if (r->request->include_usage) {
        json_t *chunk = chunk_json(r, json_array());
        json_object_set_new(chunk, "usage", usage_json(r, end));
        reply_event(out, NULL, chunk);
    }
    text_add(out, "data: [DONE]\n\n");
}

static void fail(struct reply *r, const struct serve_error *err, struct text *out)
{
    (void)r;
    reply_event(out, NULL, serve_error_json(err));
    text_add(out, "data: [DONE]\n\n");
}

const struct dialect dialect_chat = {.id_prefix = "chatcmpl-",
                                     .read = request_read_chat,
                                     .whole = whole,
                                     .begin = begin,
                                     .more = more,
                                     .end = end_stream,
                                     .fail = fail};
