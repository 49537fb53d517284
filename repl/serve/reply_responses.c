/* SPDX-License-Identifier: GPL-3.0-or-later
 * Responses, the newer of the two formats, for text and pictures only. Nothing is stored. */
#include <stdio.h>

#include "common/json.h"
#include "serve/reply.h"

/* The id of the one message in a response. */
static void message_id(const struct reply *r, char *ret, size_t n)
{
    snprintf(ret, n, "msg_%s", r->id + sizeof "resp_" - 1);
}

static json_t *part_json(const char *text, json_t *tokens)
{
    return json_pack("{s:s,s:o,s:[],s:o}", "type", "output_text", "text", json_text(text),
                     "annotations", "logprobs", tokens ? tokens : json_array());
}

/* Takes part, which is NULL before the message has begun. */
static json_t *message_json(const struct reply *r, const char *status, json_t *part)
{
    char id[48];
    message_id(r, id, sizeof id);
    json_t *content = part ? json_pack("[o]", part) : json_array();
    return json_pack("{s:s,s:s,s:s,s:s,s:o}", "type", "message", "id", id, "status", status, "role",
                     "assistant", "content", content);
}

static json_t *usage_json(const struct reply *r, const struct generation_end *end)
{
    return json_pack("{s:I,s:{s:I},s:I,s:{s:i},s:I}", "input_tokens", (json_int_t)r->n_prompt,
                     "input_tokens_details", "cached_tokens", (json_int_t)end->timing.cached_tokens,
                     "output_tokens", (json_int_t)end->n_ids, "output_tokens_details",
                     "reasoning_tokens", 0, "total_tokens", (json_int_t)(r->n_prompt + end->n_ids));
}

static const char *status_of(const struct generation_end *end)
{
    return end->finish == PHI3V_FINISH_STOP ? "completed" : "incomplete";
}

/* Takes message; end is NULL while the answer is in progress. */
static json_t *response_json(const struct reply *r, json_t *message,
                             const struct generation_end *end)
{
    const struct phi3v_params *p = &r->request->params;
    json_t *why = end && end->finish == PHI3V_FINISH_LENGTH
                      ? json_pack("{s:s}", "reason", "max_output_tokens")
                      : json_null();
    json_t *response =
        json_pack("{s:s,s:s,s:I,s:s,s:n,s:o,s:n,s:i,s:s,s:o,s:b,s:n,s:b,s:f,s:{s:{s:s}},s:s,s:[],s:"
                  "f,s:s,s:{}}",
                  "id", r->id, "object", "response", "created_at", (json_int_t)r->created, "status",
                  end ? status_of(end) : "in_progress", "error", "incomplete_details", why,
                  "instructions", "max_output_tokens", p->max_new_tokens, "model", r->model_name,
                  "output", message ? json_pack("[o]", message) : json_array(),
                  "parallel_tool_calls", 0, "previous_response_id", "store", 0, "temperature",
                  (double)p->temperature, "text", "format", "type", "text", "tool_choice", "none",
                  "tools", "top_p", (double)p->top_p, "truncation", "disabled", "metadata");
    json_object_set_new(response, "usage", end ? usage_json(r, end) : json_null());
    return response;
}

static json_t *whole(const struct reply *r, const char *text, json_t *tokens,
                     const struct generation_end *end)
{
    return response_json(r, message_json(r, status_of(end), part_json(text, tokens)), end);
}

/* -- Streams ----------------------------------------------------------------------------------- */

static void send_event(struct reply *r, const char *type, json_t *event, struct text *out)
{
    json_t *all = json_pack("{s:s,s:i}", "type", type, "sequence_number", r->n_events++);
    json_object_update(all, event);
    json_decref(event);
    reply_event(out, type, all);
}

/* Sends an event about the message's only part; takes value. */
static void send_of_part(struct reply *r, const char *type, const char *key, json_t *value,
                         struct text *out)
{
    char id[48];
    message_id(r, id, sizeof id);
    send_event(r, type,
               json_pack("{s:s,s:i,s:i,s:o}", "item_id", id, "output_index", 0, "content_index", 0,
                         key, value),
               out);
}

static void begin(struct reply *r, struct text *out)
{
    send_event(r, "response.created", json_pack("{s:o}", "response", response_json(r, NULL, NULL)),
               out);
    send_event(r, "response.in_progress",
               json_pack("{s:o}", "response", response_json(r, NULL, NULL)), out);
    send_event(
        r, "response.output_item.added",
        json_pack("{s:i,s:o}", "output_index", 0, "item", message_json(r, "in_progress", NULL)),
        out);
    send_of_part(r, "response.content_part.added", "part", part_json("", NULL), out);
}

static void more(struct reply *r, const char *text, json_t *tokens, struct text *out)
{
    char id[48];
    text_add(&r->said, text);
    message_id(r, id, sizeof id);
    send_event(r, "response.output_text.delta",
               json_pack("{s:s,s:i,s:i,s:o,s:o}", "item_id", id, "output_index", 0, "content_index",
                         0, "delta", json_text(text), "logprobs", tokens ? tokens : json_array()),
               out);
}

static void end_stream(struct reply *r, const struct generation_end *end, struct text *out)
{
    const char *text = r->said.n ? r->said.s : "";
    bool whole_answer = end->finish == PHI3V_FINISH_STOP;
    send_of_part(r, "response.output_text.done", "text", json_text(text), out);
    send_of_part(r, "response.content_part.done", "part", part_json(text, NULL), out);
    send_event(r, "response.output_item.done",
               json_pack("{s:i,s:o}", "output_index", 0, "item",
                         message_json(r, status_of(end), part_json(text, NULL))),
               out);
    send_event(r, whole_answer ? "response.completed" : "response.incomplete",
               json_pack("{s:o}", "response", whole(r, text, NULL, end)), out);
}

static void fail(struct reply *r, const struct serve_error *err, struct text *out)
{
    send_event(r, "error",
               json_pack("{s:s?,s:o,s:o}", "code", err->code, "message", json_text(err->text),
                         "param", *err->param ? json_text(err->param) : json_null()),
               out);
}

const struct dialect dialect_responses = {.id_prefix = "resp_",
                                          .read = request_read_responses,
                                          .whole = whole,
                                          .begin = begin,
                                          .more = more,
                                          .end = end_stream,
                                          .fail = fail};
