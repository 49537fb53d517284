/* SPDX-License-Identifier: GPL-3.0-or-later
 * /v1/chat/completions: from the body of a request to its answer, whole or streamed. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/must.h"
#include "serve/reply.h"
#include "serve/server.h"

enum { KEEP_ALIVE_S = 10 /* a comment tells a client that waits that nothing is broken */ };

/* An answer being made. It belongs to its call. */
struct chat {
    struct call *call;
    struct request request;
    struct conversation conversation;
    struct binding *binding; // to the request's schema; NULL: none
    struct work *work;       // NULL: `fixed` is the answer
    const char *fixed;
    struct work_end fixed_end;
    struct reply reply;
    /* Streaming. */
    struct text out; // what is to be sent,
    size_t n_sent;   // of which so many bytes are
    bool begun, over;
};

/* -- Setting up -------------------------------------------------------------------------------- */

static void chat_free(void *user)
{
    struct chat *chat = user;
    if (chat->work)
        work_free(chat->work);
    else
        phi3v_prompt_free(chat->conversation.prompt);
    binding_free(chat->binding);
    room_give(&chat->call->server->room, chat->conversation.raster_bytes);
    request_fini(&chat->request);
    text_free(&chat->out);
    free(chat);
}

static bool client_gone(void *user) { return call_gone(user); }

static int read_body(struct call *c, struct request *ret, struct serve_error *err)
{
    struct phi3v_error why;
    const char *bytes = c->body.n ? c->body.s : "";
    json_t *body = json_parse(bytes, c->body.n, "the request's body", &why);
    if (!body) return serve_refuse_as(err, NULL, &why);
    int rc = request_read_chat(body, c->server->settings, ret, err);
    json_decref(body);
    return rc;
}

static int check_model(const struct server *s, const struct request *r, struct serve_error *err)
{
    if (!*r->model || !strcmp(r->model, s->name)) return 0;
    return serve_refuse(err, 404, "model_not_found", "model",
                        "there is no model \"%.100s\" here; there is \"%.100s\"", r->model,
                        s->name);
}

static int refuse_busy(struct serve_error *err)
{
    return serve_refuse(err, 429, "server_busy", NULL,
                        "as many requests wait as are taken: try again a little later");
}

/* The prompt goes to the engine, or has an answer already. */
static int ask(struct chat *chat, struct serve_error *err)
{
    struct server *s = chat->call->server;
    phi3v_prompt *prompt = chat->conversation.prompt;
    struct phi3v_error why;
    if (chat->request.schema &&
        binding_new(chat->request.schema, s->vocabulary, &chat->binding, &why))
        return serve_refuse_as(err, NULL, &why);
    if (s->no_picture && phi3v_prompt_n_images(prompt) == 0 && !chat->binding) {
        chat->fixed = s->no_picture;
        return 0;
    }
    chat->work =
        work_new(s->scheduler, prompt, &chat->request.params, chat->binding, chat->call->client);
    if (chat->work) return 0;
    chat->conversation.prompt = NULL;
    return refuse_busy(err);
}

static int prepare(struct chat *chat, struct serve_error *err)
{
    struct call *c = chat->call;
    struct server *s = c->server;
    struct conversation_host host = {.model = s->model,
                                     .settings = s->settings,
                                     .room = &s->room,
                                     .stopped = client_gone,
                                     .user = c};
    int rc = read_body(c, &chat->request, err);
    if (!rc) rc = check_model(s, &chat->request, err);
    if (!rc) rc = conversation_new(&chat->request, &host, &chat->conversation, err);
    if (rc) return rc;
    request_drop_messages(&chat->request);
    call_drop_body(c);
    chat->reply = (struct reply){.model = s->model,
                                 .model_name = s->name,
                                 .n_prompt = chat->conversation.n_prompt,
                                 .logprobs = chat->request.logprobs,
                                 .n_top = chat->request.n_top};
    reply_init(&chat->reply, "chatcmpl");
    return ask(chat, err);
}

/* -- News -------------------------------------------------------------------------------------- */

static bool wait_for_news(struct chat *chat, int timeout_ms, struct work_news *ret)
{
    if (chat->work) return work_wait(chat->work, timeout_ms, ret);
    *ret = (struct work_news){.done = true};
    text_add(&ret->text, chat->fixed);
    return true;
}

static const struct work_end *end_of(const struct chat *chat)
{
    return chat->work ? work_end(chat->work) : &chat->fixed_end;
}

/* Why there is no answer, or not all of it; 0: there is. */
static int check_end(const struct work_end *end, struct serve_error *err)
{
    if (end->code) return serve_refuse_as(err, NULL, &end->error);
    if (reply_finish(end)) return 0;
    return serve_refuse(err, 503, "server_ends", NULL, "the answer was stopped: the server ends");
}

static json_t *tokens_of(struct chat *chat, const struct work_news *news)
{
    return chat->reply.logprobs ? reply_tokens(&chat->reply, news->tokens, news->n_tokens) : NULL;
}

/* -- Whole ------------------------------------------------------------------------------------- */

/* Those of tokens that a stop text cut off are not part of the answer. */
static void cut_tokens(json_t *tokens, size_t n)
{
    while (json_array_size(tokens) > n) json_array_remove(tokens, json_array_size(tokens) - 1);
}

static enum MHD_Result answer_whole(struct chat *chat)
{
    struct call *c = chat->call;
    struct text text = {0};
    struct serve_error err;
    struct work_news news = {0};
    json_t *tokens = chat->reply.logprobs ? json_array() : NULL;
    while (!news.done) {
        if (call_gone(c)) break;
        if (!wait_for_news(chat, CALL_LOOK_MS, &news)) continue;
        bool done = news.done;
        json_t *more = tokens_of(chat, &news);
        if (more) json_array_extend(tokens, more);
        json_decref(more);
        text_addn(&text, news.text.n ? news.text.s : "", news.text.n);
        work_news_fini(&news);
        news.done = done;
    }
    const struct work_end *end = end_of(chat);
    enum MHD_Result result = MHD_NO;
    char *whole = xtake(&text);
    if (news.done && check_end(end, &err)) {
        result = call_refuse(c, &err);
    } else if (news.done) {
        cut_tokens(tokens, end->n_answer_ids);
        result = call_reply(c, 200, reply_chat(&chat->reply, whole, json_incref(tokens), end));
    }
    json_decref(tokens);
    free(whole);
    return result;
}

/* -- Streamed ---------------------------------------------------------------------------------- */

static void send_event(struct chat *chat, json_t *data)
{
    char *line = must(json_line(data));
    text_addf(&chat->out, "data: %s\n\n", line);
    free(line);
    json_decref(data);
}

static void send_end(struct chat *chat)
{
    const struct work_end *end = end_of(chat);
    struct serve_error err;
    if (check_end(end, &err)) {
        send_event(chat, serve_error_json(&err));
    } else {
        send_event(chat, reply_chunk(&chat->reply, false, NULL, NULL, reply_finish(end)));
        if (chat->request.include_usage) send_event(chat, reply_usage_chunk(&chat->reply, end));
    }
    text_add(&chat->out, "data: [DONE]\n\n");
    chat->over = true;
}

static void send_news(struct chat *chat, const struct work_news *news)
{
    if (news->text.n > 0 || news->n_tokens > 0)
        send_event(chat, reply_chunk(&chat->reply, false, news->text.n ? news->text.s : "",
                                     tokens_of(chat, news), NULL));
    if (news->done) send_end(chat);
}

/* Something to send: news, or after a while a comment. False: the client is gone. */
static bool fill(struct chat *chat)
{
    struct work_news news;
    double since = now_s();
    if (!chat->begun) {
        chat->begun = true;
        send_event(chat, reply_chunk(&chat->reply, true, "", NULL, NULL));
        return true;
    }
    while (!wait_for_news(chat, CALL_LOOK_MS, &news)) {
        if (call_gone(chat->call)) return false;
        if (now_s() - since < KEEP_ALIVE_S) continue;
        text_add(&chat->out, ": the answer is on its way\n\n");
        return true;
    }
    send_news(chat, &news);
    work_news_fini(&news);
    return true;
}

static ssize_t read_stream(void *user, uint64_t pos, char *to, size_t max)
{
    struct chat *chat = user;
    (void)pos;
    if (chat->n_sent == chat->out.n) {
        chat->n_sent = 0;
        text_free(&chat->out);
        if (chat->over) return MHD_CONTENT_READER_END_OF_STREAM;
        if (!fill(chat)) return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t left = chat->out.n - chat->n_sent, n = left < max ? left : max;
    memcpy(to, chat->out.s + chat->n_sent, n);
    chat->n_sent += n;
    return (ssize_t)n;
}

static enum MHD_Result answer_streamed(struct chat *chat)
{
    enum { BLOCK = 16384 };
    struct MHD_Response *response =
        must(MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, chat, NULL));
    MHD_add_response_header(response, "Content-Type", "text/event-stream; charset=utf-8");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    enum MHD_Result result = MHD_queue_response(chat->call->connection, 200, response);
    MHD_destroy_response(response);
    return result;
}

/* -- The endpoint ------------------------------------------------------------------------------ */

enum MHD_Result chat_answer(struct call *c)
{
    struct serve_error err;
    struct chat *chat = xcalloc(1, sizeof *chat);
    chat->call = c;
    c->held = chat;
    c->release = chat_free;
    if (prepare(chat, &err)) return call_refuse(c, &err);
    return chat->request.stream ? answer_streamed(chat) : answer_whole(chat);
}
