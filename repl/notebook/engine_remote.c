/* SPDX-License-Identifier: MIT
 * The engine for one or more servers that take OpenAI's chat requests. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "common/clock.h"
#include "common/json.h"
#include "net/chat.h"
#include "notebook/engine.h"

enum { AT_ONCE = 4 }; /* concurrent questions per server, unless set otherwise */
static const struct engine_kind remote;

/* -- Opening ---------------------------------------------------------------------------------- */

static char *note_of(const struct chat *c)
{
    const char *missing = chat_note(c);
    return text_format("%s answers: what pictures cost, token ids and certainty are not known, and "
                       "only it knows what it reuses%s%s",
                       chat_name(c), missing ? "; now missing: " : "", missing ? missing : "");
}

static void describe(struct engine *e)
{
    e->of_chat = (struct phi3v_model_info){.name = chat_model(e->chat),
                                           .path = chat_name(e->chat),
                                           .note = e->note,
                                           .device = chat_name(e->chat),
                                           .dtype = "served",
                                           .kv = "served",
                                           .products = "served",
                                           .vision_products = "served",
                                           .answers_at_once = AT_ONCE * chat_n_servers(e->chat),
                                           .ctx = chat_context(e->chat),
                                           .ctx_model = chat_context(e->chat)};
}

int engine_open_remote(struct engine *e, const char *urls, const struct settings *how,
                       struct phi3v_error *err)
{
    double begun = now_s();
    char *list = text_copy(urls), *model = list ? strchr(list, '#') : NULL;
    if (!list) return memory_error(err);
    if (model) *model++ = 0;
    struct engine new = {.kind = &remote};
    const struct chat_options options = {.urls = list,
                                         .model = model && *model ? model : NULL,
                                         .key = e->key,
                                         .offline = how->offline,
                                         .stop = engine_is_stopped,
                                         .user = e};
    engine_begin(e);
    e->front->progress(e->front->user,
                       &(struct nb_progress){"asking the server", NB_BYTES, 0, 0, -1});
    int rc = chat_open(&options, &new.chat, err);
    e->front->progress(e->front->user, NULL);
    free(list);
    if (!rc) {
        unsigned before = memory_failures();
        new.note = note_of(new.chat);
        new.advice.mode = text_copy(chat_mode(new.chat));
        rc = memory_failures() == before ? 0 : memory_error(err);
        if (rc) {
            chat_close(new.chat);
            advice_free(&new.advice);
            free(new.note);
        }
    }
    if (rc) return rc;
    new.load_s = now_s() - begun;
    describe(&new);
    engine_replace(e, &new);
    return 0;
}

static void close_chat(struct engine *e) { chat_close(e->chat); }

/* -- A question ------------------------------------------------------------------------------- */

static bool add_part(json_t *parts, json_t *part)
{
    return part && !json_array_append_new(parts, part);
}

static bool add_text(json_t *parts, const char *text, size_t n)
{
    if (!n) return true;
    return add_part(parts, json_pack("{s:s,s:o}", "type", "text", "text", json_textn(text, n)));
}

static bool add_picture(json_t *parts, struct loaded *picture)
{
    const char *url = loaded_data_url(picture);
    json_t *address = url ? json_pack("{s:o}", "url", json_string_nocheck(url)) : NULL;
    if (!address) return false;
    return add_part(parts, json_pack("{s:s,s:o}", "type", "image_url", "image_url", address));
}

/* Reads "<|image_7|>" at the beginning of text: returns 7, and its length; otherwise 0. */
static int tag_at(const char *text, size_t *ret_n)
{
    int number = 0, n = 0;
    if (sscanf(text, "<|image_%9d|>%n", &number, &n) < 1 || n == 0) return 0;
    *ret_n = (size_t)n;
    return number;
}

/* Adds text and pictures in order, without the line end after a leading picture: servers add it. */
static bool add_parts(json_t *parts, const struct phi3v_turn *turn, struct loaded *const *pictures)
{
    const char *begin = turn->text, *p = begin;
    bool whole = true, leading = true;
    while (*p && whole) {
        size_t n;
        int number = *p == '<' ? tag_at(p, &n) : 0;
        if (number < 1 || number > turn->n_images) {
            leading = false;
            p++;
            continue;
        }
        whole =
            add_text(parts, begin, (size_t)(p - begin)) && add_picture(parts, pictures[number - 1]);
        begin = p += n;
        if (leading && *p == '\n') begin = ++p;
    }
    return whole && add_text(parts, begin, (size_t)(p - begin));
}

/* Adds the pictures, then the text with its tags. */
static bool add_tagged(json_t *parts, const struct phi3v_turn *turn, struct loaded *const *pictures)
{
    bool whole = true;
    for (int k = 0; k < turn->n_images && whole; k++) whole = add_picture(parts, pictures[k]);
    return whole && add_text(parts, turn->text, strlen(turn->text));
}

static json_t *message_of(const struct phi3v_turn *turn, struct loaded *const *pictures, bool tags)
{
    if (!turn->n_images)
        return json_pack("{s:s,s:o}", "role", turn->role, "content", json_text(turn->text));
    json_t *parts = json_array();
    if (parts && (tags ? add_tagged : add_parts)(parts, turn, pictures))
        return json_pack("{s:s,s:o}", "role", turn->role, "content", parts);
    json_decref(parts);
    return NULL;
}

static int ask(struct engine *e, const struct phi3v_turn *turns, int n_turns,
               struct loaded *const *pictures, const struct phi3v_prompt_options *how,
               struct question *ret, struct phi3v_error *err)
{
    if (n_turns > 0 && turns[n_turns - 1].open)
        return refuse(err, PHI3V_E_UNSUPPORTED,
                      "%s cannot go on with an answer: :set max_new_tokens higher and :retry",
                      e->info->path);
    bool tags = chat_reads_tags(e->chat);
    bool whole = (ret->messages = json_array()) != NULL;
    for (int k = 0; k < n_turns && whole; k++) {
        whole = add_part(ret->messages, message_of(&turns[k], pictures, tags));
        pictures += turns[k].n_images;
        if (how->stopped && how->stopped(how->user))
            return refuse(err, PHI3V_E_CANCELLED, "stopped");
    }
    return whole ? 0 : memory_error(err);
}

/* -- A request -------------------------------------------------------------------------------- */

static bool set_new(json_t *request, const char *name, json_t *value)
{
    return value && !json_object_set_new(request, name, value);
}

/* Settings that are not part of OpenAI's interface are sent only if they differ from the defaults;
 * vLLM and phiscope know them all. */
static bool add_unusual(json_t *r, const struct settings *s)
{
    bool whole = true;
    if (s->top_k > 0) whole &= set_new(r, "top_k", json_integer(s->top_k));
    if (s->min_p > 0) whole &= set_new(r, "min_p", json_real(s->min_p));
    if (s->repetition_penalty < 1 || s->repetition_penalty > 1)
        whole &= set_new(r, "repetition_penalty", json_real(s->repetition_penalty));
    if (s->keep_special) whole &= set_new(r, "skip_special_tokens", json_false());
    if (s->num_crops > 0)
        whole &= set_new(r, "mm_processor_kwargs", json_pack("{s:i}", "num_crops", s->num_crops));
    return whole;
}

static json_t *request_of(const struct question *q, const struct settings *s,
                          const struct response_format *format)
{
    json_t *r =
        json_pack("{s:O,s:i,s:f,s:{s:b}}", "messages", q->messages, "max_tokens", s->max_new_tokens,
                  "temperature", s->temperature, "stream_options", "include_usage", 1);
    bool whole = r && set_new(r, "seed", json_integer((json_int_t)(s->seed & INT64_MAX)));
    if (whole && s->top_p < 1) whole = set_new(r, "top_p", json_real(s->top_p));
    if (whole && format->json) whole = set_new(r, "response_format", response_format_json(format));
    if (whole && s->doubt > 0) whole = set_new(r, "logprobs", json_true());
    if (whole && s->stop.n > 0) {
        json_t *stop = json_array();
        for (size_t k = 0; k < s->stop.n && whole; k++)
            whole = stop && add_part(stop, json_text(s->stop.v[k]));
        whole = set_new(r, "stop", stop) && whole;
    }
    if (whole && add_unusual(r, s)) return r;
    json_decref(r);
    return NULL;
}

/* -- Answers ---------------------------------------------------------------------------------- */

struct flight {
    struct chat_call call; // first, so that the flight is found from the call
    struct query *query;   // NULL: free
    struct sky *of;
};

struct sky { // all requests in flight
    struct engine *engine;
    const struct queries *queries;
    const struct settings *how;
    struct flight *flights; // [n]
    int n, n_used;
};

static int on_text(struct chat_call *call, const char *text, size_t n, float logprob)
{
    struct flight *f = call->user;
    const struct queries *queries = f->of->queries;
    struct phi3v_event event = {
        .type = PHI3V_EVENT_TOKEN, .stage = PHI3V_STAGE_DECODE, .id = -1, .logprob = logprob};
    if (!isnan(logprob) && queries->on_event(&event, f->query, queries->user)) return 1;
    event.type = PHI3V_EVENT_TEXT;
    event.text = text;
    event.n_text_bytes = n;
    return queries->on_event(&event, f->query, queries->user);
}

static bool on_again(struct chat_call *call)
{
    struct flight *f = call->user;
    const struct queries *queries = f->of->queries;
    return queries->on_again && queries->on_again(f->query, queries->user);
}

static void time_of(const struct chat_call *call, struct phi3v_timing *ret)
{
    double now = now_s(), first = call->first_text_s > 0 ? call->first_text_s : now;
    ret->prefill_s = first - call->begun_s;
    ret->decode_s = now - first;
    ret->prefill_tokens = call->usage.prompt_tokens - call->usage.cached_tokens;
    ret->cached_tokens = call->usage.cached_tokens;
    ret->decode_tokens = call->usage.answer_tokens;
}

/* The part of a stopped answer is kept, if there is any. */
static void decide(struct flight *f)
{
    struct chat_call *call = &f->call;
    struct query *query = f->query;
    bool stopped = call->code == PHI3V_E_CANCELLED && call->text.n > 0;
    query->code = stopped ? 0 : call->code;
    query->error = call->error;
    query->result = (struct phi3v_result){.size = sizeof query->result};
    if (query->code) return;
    query->result.finish = stopped                       ? PHI3V_FINISH_INTERRUPTED
                           : call->finish == CHAT_LENGTH ? PHI3V_FINISH_LENGTH
                                                         : PHI3V_FINISH_STOP;
    query->result.text = call->text.data;
    query->result.n_text_bytes = call->text.n;
    call->text = (struct bytes){0};
    time_of(call, &query->result.timing);
}

static void result_fini(struct phi3v_result *result) { free(result->text); }

static void land(struct flight *f)
{
    struct sky *sky = f->of;
    struct query *query = f->query;
    decide(f);
    chat_end(sky->engine->chat, &f->call);
    f->query = NULL;
    sky->n_used--;
    const struct phi3v_event end = {.type = PHI3V_EVENT_END};
    sky->queries->on_event(&end, query, sky->queries->user);
}

static int start(struct sky *sky, struct query *query, struct phi3v_error *err)
{
    struct flight *f = sky->flights;
    while (f->query) f++;
    *f = (struct flight){.query = query, .of = sky};
    f->call =
        (struct chat_call){.request = request_of(query->question, sky->how, &sky->engine->format),
                           .on_text = on_text,
                           .on_again = on_again,
                           .user = f};
    int rc = f->call.request ? chat_begin(sky->engine->chat, &f->call, err) : memory_error(err);
    if (rc) f->query = NULL;
    sky->n_used += !rc;
    return rc;
}

/* A person who stops gets what has come so far, at once. */
static void stop_all(struct sky *sky)
{
    for (int k = 0; k < sky->n; k++) {
        struct flight *f = &sky->flights[k];
        if (!f->query) continue;
        f->call.code = refuse(&f->call.error, PHI3V_E_CANCELLED, "stopped");
        land(f);
    }
}

static void tell_progress(struct sky *sky)
{
    const struct nb_front *front = sky->engine->front;
    int64_t done, total;
    bool any = false;
    for (int k = 0; k < sky->n; k++) any |= sky->flights[k].query && sky->flights[k].call.text.n;
    if (any || !sky->n_used) return;
    chat_sent(sky->engine->chat, &done, &total);
    bool sent = done >= total;
    const char *stage = sent ? "waiting for the server" : "sending the question";
    if (sent) done = total = 0; /* how long the server takes is unknown */
    front->progress(front->user, &(struct nb_progress){stage, NB_BYTES, done, total, -1});
}

static int fly(struct sky *sky, struct phi3v_error *err)
{
    struct query *query;
    int rc = 0;
    for (;;) {
        while (!rc && sky->n_used < sky->n && !engine_stopped(sky->engine) &&
               (query = sky->queries->next(sky->queries->user)))
            rc = start(sky, query, err);
        if (rc || engine_stopped(sky->engine)) stop_all(sky);
        if (!sky->n_used) return rc;
        struct chat_call *call = chat_wait(sky->engine->chat);
        if (call) land(call->user);
        tell_progress(sky);
    }
}

static int answer_all(struct engine *e, const struct queries *queries, const struct settings *how,
                      struct phi3v_error *err)
{
    struct sky sky = {.engine = e, .queries = queries, .how = how, .n = engine_at_once(e, how)};
    sky.flights = memory_zero((size_t)sky.n, sizeof *sky.flights);
    if (!sky.flights) return memory_error(err);
    int rc = fly(&sky, err);
    free(sky.flights);
    return rc;
}

/* -- One -------------------------------------------------------------------------------------- */

struct one {
    struct query query;
    bool taken;
    phi3v_event_fn on_event;
    void *user;
};

static struct query *next_of_one(void *user)
{
    struct one *one = user;
    bool taken = one->taken;
    one->taken = true;
    return taken ? NULL : &one->query;
}

static int on_event_of_one(const struct phi3v_event *event, struct query *query, void *user)
{
    struct one *one = user;
    (void)query;
    return event->type == PHI3V_EVENT_END ? 0 : one->on_event(event, one->user);
}

static int answer(struct engine *e, const struct question *q, const struct settings *how,
                  phi3v_event_fn on_event, void *user, struct phi3v_result *ret,
                  struct phi3v_error *err)
{
    struct one one = {
        .query = {.question = q, .code = PHI3V_E_CANCELLED}, .on_event = on_event, .user = user};
    const struct queries queries = {.next = next_of_one, .on_event = on_event_of_one, .user = &one};
    refuse(&one.query.error, PHI3V_E_CANCELLED, "stopped");
    int rc = answer_all(e, &queries, how, err);
    if (rc) return rc;
    if (one.query.code && err) *err = one.query.error;
    if (!one.query.code) *ret = one.query.result;
    return one.query.code;
}

static const struct engine_kind remote = {.ask = ask,
                                          .answer = answer,
                                          .answer_all = answer_all,
                                          .result_fini = result_fini,
                                          .close = close_chat,
                                          .sends_files = true};
