/* SPDX-License-Identifier: GPL-3.0-or-later
 * One request and its reply, whole or streamed, in either dialect. */
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/must.h"
#include "serve/reply.h"
#include "serve/server.h"

enum { KEEP_ALIVE_S = 10 /* between comments that keep a waiting client's connection open */ };

/* Belongs to its call. */
struct exchange {
    struct call *call;
    struct request request;
    struct conversation conversation;
    struct binding *binding;       // of the answer to the request's schema; NULL: none
    struct generation *generation; // NULL: `fixed` is the answer
    const char *fixed;
    struct generation_end fixed_end;
    struct reply reply;
    /* Streaming */
    struct text out; // to be sent
    size_t n_sent;   // how many bytes of it are sent
    bool begun, over;
};

/* -- Setting up -------------------------------------------------------------------------------- */

static void exchange_free(void *user)
{
    struct exchange *x = user;
    if (x->generation)
        generation_free(x->generation);
    else
        phi3v_prompt_free(x->conversation.prompt);
    binding_free(x->binding);
    room_give(&x->call->server->room, x->conversation.raster_bytes);
    request_fini(&x->request);
    reply_fini(&x->reply);
    text_free(&x->out);
    free(x);
}

static bool client_gone(void *user) { return call_gone(user); }

static int read_body(struct call *c, const struct dialect *dialect, struct request *ret,
                     struct serve_error *err)
{
    struct phi3v_error why;
    const char *bytes = c->body.n ? c->body.s : "";
    json_t *body = json_parse(bytes, c->body.n, "the request's body", &why);
    if (!body) return serve_refuse_as(err, NULL, &why);
    int rc = dialect->read(body, c->server->settings, ret, err);
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
                        "too many requests are waiting: try again a little later");
}

/* Hands the prompt to the engine, unless it has a fixed answer. */
static int ask(struct exchange *x, struct serve_error *err)
{
    struct server *s = x->call->server;
    phi3v_prompt *prompt = x->conversation.prompt;
    struct phi3v_error why;
    if (x->request.schema && binding_new(x->request.schema, s->vocabulary, &x->binding, &why))
        return serve_refuse_as(err, NULL, &why);
    if (s->no_picture && phi3v_prompt_n_images(prompt) == 0 && !x->binding) {
        x->fixed = s->no_picture;
        return 0;
    }
    x->generation =
        generation_new(s->scheduler, prompt, &x->request.params, x->binding, x->call->client);
    if (x->generation) return 0;
    x->conversation.prompt = NULL;
    return refuse_busy(err);
}

static int prepare(struct exchange *x, struct serve_error *err)
{
    struct call *c = x->call;
    struct server *s = c->server;
    struct conversation_host host = {.model = s->model,
                                     .settings = s->settings,
                                     .room = &s->room,
                                     .stopped = client_gone,
                                     .user = c};
    int rc = read_body(c, x->reply.dialect, &x->request, err);
    if (!rc) rc = check_model(s, &x->request, err);
    if (!rc) rc = conversation_new(&x->request, &host, &x->conversation, err);
    if (rc) return rc;
    request_drop_messages(&x->request);
    call_drop_body(c);
    x->reply.model = s->model;
    x->reply.model_name = s->name;
    x->reply.request = &x->request;
    x->reply.n_prompt = x->conversation.n_prompt;
    reply_init(&x->reply);
    return ask(x, err);
}

/* -- News -------------------------------------------------------------------------------------- */

static bool wait_for_news(struct exchange *x, int timeout_ms, struct generation_news *ret)
{
    if (x->generation) return generation_wait(x->generation, timeout_ms, ret);
    *ret = (struct generation_news){.done = true};
    text_add(&ret->text, x->fixed);
    return true;
}

static const struct generation_end *end_of(const struct exchange *x)
{
    return x->generation ? generation_end(x->generation) : &x->fixed_end;
}

/* Returns 0 for a complete answer, or fills err with why it is missing or incomplete. */
static int check_end(const struct generation_end *end, struct serve_error *err)
{
    if (end->code) return serve_refuse_as(err, NULL, &end->error);
    if (end->finish != PHI3V_FINISH_INTERRUPTED) return 0;
    return serve_refuse(err, 503, "server_ends", NULL,
                        "the answer was stopped: the server is shutting down");
}

static json_t *tokens_of(struct exchange *x, const struct generation_news *news)
{
    return x->request.logprobs ? reply_tokens(&x->reply, news->tokens, news->n_tokens) : NULL;
}

/* -- Whole ------------------------------------------------------------------------------------- */

/* Drops the tokens that a stop string has cut off the answer. */
static void cut_tokens(json_t *tokens, size_t n)
{
    while (json_array_size(tokens) > n) json_array_remove(tokens, json_array_size(tokens) - 1);
}

static enum MHD_Result answer_whole(struct exchange *x)
{
    struct call *c = x->call;
    struct text text = {0};
    struct serve_error err;
    struct generation_news news = {0};
    json_t *tokens = x->request.logprobs ? json_array() : NULL;
    while (!news.done) {
        if (call_gone(c)) break;
        if (!wait_for_news(x, CALL_LOOK_MS, &news)) continue;
        bool done = news.done;
        json_t *more = tokens_of(x, &news);
        if (more) json_array_extend(tokens, more);
        json_decref(more);
        text_addn(&text, news.text.n ? news.text.s : "", news.text.n);
        generation_news_fini(&news);
        news.done = done;
    }
    const struct generation_end *end = end_of(x);
    enum MHD_Result result = MHD_NO;
    char *whole = xtake(&text);
    if (news.done && check_end(end, &err)) {
        result = call_refuse(c, &err);
    } else if (news.done) {
        cut_tokens(tokens, end->n_answer_ids);
        result =
            call_reply(c, 200, x->reply.dialect->whole(&x->reply, whole, json_incref(tokens), end));
    }
    json_decref(tokens);
    free(whole);
    return result;
}

/* -- Streamed ---------------------------------------------------------------------------------- */

static void send_end(struct exchange *x)
{
    const struct generation_end *end = end_of(x);
    struct serve_error err;
    if (check_end(end, &err))
        x->reply.dialect->fail(&x->reply, &err, &x->out);
    else
        x->reply.dialect->end(&x->reply, end, &x->out);
    x->over = true;
}

static void send_news(struct exchange *x, const struct generation_news *news)
{
    const char *text = news->text.n ? news->text.s : "";
    if (*text || news->n_tokens > 0)
        x->reply.dialect->more(&x->reply, text, tokens_of(x, news), &x->out);
    if (news->done) send_end(x);
}

/* Waits for something to send: news or, after a while, a comment. False when the client is gone. */
static bool fill(struct exchange *x)
{
    struct generation_news news;
    double since = now_s();
    if (!x->begun) {
        x->begun = true;
        x->reply.dialect->begin(&x->reply, &x->out);
        return true;
    }
    while (!wait_for_news(x, CALL_LOOK_MS, &news)) {
        if (call_gone(x->call)) return false;
        if (now_s() - since < KEEP_ALIVE_S) continue;
        text_add(&x->out, ": still working on the answer\n\n");
        return true;
    }
    send_news(x, &news);
    generation_news_fini(&news);
    return true;
}

static ssize_t read_stream(void *user, uint64_t pos, char *to, size_t max)
{
    struct exchange *x = user;
    (void)pos;
    if (x->n_sent == x->out.n) {
        x->n_sent = 0;
        text_free(&x->out);
        if (x->over) return MHD_CONTENT_READER_END_OF_STREAM;
        if (!fill(x)) return MHD_CONTENT_READER_END_WITH_ERROR;
    }
    size_t left = x->out.n - x->n_sent, n = left < max ? left : max;
    memcpy(to, x->out.s + x->n_sent, n);
    x->n_sent += n;
    return (ssize_t)n;
}

static enum MHD_Result answer_streamed(struct exchange *x)
{
    enum { BLOCK = 16384 };
    struct MHD_Response *response =
        must(MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK, read_stream, x, NULL));
    MHD_add_response_header(response, "Content-Type", "text/event-stream; charset=utf-8");
    MHD_add_response_header(response, "Cache-Control", "no-store");
    MHD_add_response_header(response, "X-Accel-Buffering", "no");
    return call_queue(x->call, 200, response);
}

/* -- The endpoints ---------------------------------------------------------------------------- */

static enum MHD_Result answer(struct call *c, const struct dialect *dialect)
{
    struct serve_error err;
    struct exchange *x = xcalloc(1, sizeof *x);
    x->call = c;
    x->reply.dialect = dialect;
    c->held = x;
    c->release = exchange_free;
    if (prepare(x, &err)) return call_gone(c) ? MHD_NO : call_refuse(c, &err);
    return x->request.stream ? answer_streamed(x) : answer_whole(x);
}

enum MHD_Result chat_answer(struct call *c) { return answer(c, &dialect_chat); }

enum MHD_Result responses_answer(struct call *c) { return answer(c, &dialect_responses); }
