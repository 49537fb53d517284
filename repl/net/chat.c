/* SPDX-License-Identifier: MIT */
#include "net/chat.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "net/chat_server.h"
#include "net/limits.h"
#include "net/transfer.h"

static const char *name_of(const struct chat_call *call)
{
    return call->server < 0 ? "the engine" : call->chat->servers[call->server].name;
}

/* -- The text of an answer -------------------------------------------------------------------- */

static int out_of_memory(struct chat_call *call)
{
    call->code = refuse(&call->error, PHI3V_E_MEMORY, "not enough memory for an answer of %s",
                        name_of(call));
    return 1;
}

/* Non-zero when the call is over. */
static int keep(struct chat_call *call, struct bytes *to, const char *bytes, size_t n)
{
    int rc = bytes_add(to, bytes, n, NET_ANSWER_BYTES);
    if (rc == BYTES_NO_MEMORY) return out_of_memory(call);
    if (rc)
        call->code =
            refuse(&call->error, PHI3V_E_DEVICE, "the answer of %.300s has no end", name_of(call));
    return rc != 0;
}

/* Non-zero when the call is over; call->code says why. */
static int say(struct chat_call *call, const char *text, size_t n, float logprob)
{
    if (call->first_text_s == 0) call->first_text_s = now_s();
    if (!call->on_text(call, text, n, logprob)) return 0;
    call->code = refuse(&call->error, PHI3V_E_CANCELLED, "stopped");
    return 1;
}

/* The answer starts again: the text that is still the same is given to the caller first. */
static int start_over(struct chat_call *call)
{
    if (!call->on_again || !call->on_again(call)) {
        call->code = refuse(&call->error, PHI3V_E_DEVICE,
                            "%.150s: the connection broke after %zu bytes of the answer, which "
                            "began otherwise when it was asked for again: run it once more",
                            name_of(call), call->text.n);
        return 1;
    }
    call->text.n = call->n_matched;
    call->text.data[call->text.n] = 0;
    return call->text.n ? say(call, call->text.data, call->text.n, NAN) : 0;
}

static int take_text(struct chat_call *call, const char *text, size_t n, float logprob)
{
    size_t left = call->text.n - call->n_matched, k = 0;
    while (k < n && k < left && text[k] == call->text.data[call->n_matched + k]) k++;
    if (k < n && k < left) {
        while (k > 0 && ((unsigned char)text[k] & 0xC0) == 0x80) k--; /* whole characters */
        call->n_matched += k;
        if (start_over(call)) return 1;
    } else {
        call->n_matched += k;
    }
    if (k == n) return 0;
    if (keep(call, &call->text, text + k, n - k)) return 1;
    call->n_matched = call->text.n;
    call->n_tries = 0;
    return say(call, text + k, n - k, logprob);
}

/* -- What a server sends ---------------------------------------------------------------------- */

static int fail_said(struct chat_call *call, const struct chat_reply *r)
{
    struct chat *c = call->chat;
    call->may_try = transfer_is_busy(r->status);
    call->code = chat_status_fail(name_of(call), r->status ? r->status : 500, r->message, NULL,
                                  c->key != NULL, &call->error);
    return 1;
}

static int take_reply(struct chat_call *call, const struct chat_reply *r)
{
    if (r->failed) return fail_said(call, r);
    if (r->usage.known) call->usage = r->usage;
    if (r->n_text && take_text(call, r->text, r->n_text, r->logprob)) return 1;
    if (r->finish) call->finish = r->finish;
    return 0;
}

static int take_json(struct chat_call *call, const char *bytes, size_t n)
{
    struct chat_reply r;
    if (!chat_reply_read(bytes, n, &r)) {
        call->code = refuse(&call->error, PHI3V_E_DEVICE,
                            "%.300s answers with something that is no answer of a chat server",
                            name_of(call));
        return 1;
    }
    int stop = take_reply(call, &r);
    chat_reply_fini(&r);
    return stop;
}

static int take_event(const char *data, size_t n, void *user)
{
    struct chat_call *call = user;
    call->any_event = true;
    if (n == 6 && !memcmp(data, "[DONE]", 6)) {
        if (!call->finish) call->finish = CHAT_STOP;
        return 0;
    }
    return n ? take_json(call, data, n) : 0;
}

/* Whether this is an unstreamed answer or an error page, not a stream of events. */
static bool is_page(struct chat_call *call, const char *bytes, size_t n)
{
    long status = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status != 200) return true;
    for (size_t k = 0; k < n && !call->sniffed; k++)
        if (!strchr(" \t\r\n", bytes[k])) {
            call->sniffed = true;
            call->is_page = bytes[k] == '{' || bytes[k] == '[' || bytes[k] == '<';
        }
    return call->is_page;
}

static size_t take_body(char *bytes, size_t size, size_t n, void *user)
{
    struct chat_call *call = user;
    n *= size;
    int rc;
    if (is_page(call, bytes, n))
        rc = keep(call, &call->page, bytes, n);
    else
        rc = sse_feed(&call->sse, bytes, n, take_event, call);
    if (rc == BYTES_NO_MEMORY) out_of_memory(call);
    if (rc == BYTES_TOO_MANY)
        call->code =
            refuse(&call->error, PHI3V_E_DEVICE, "an event of %.300s has no end", name_of(call));
    return rc ? 0 : n;
}

/* -- One try ---------------------------------------------------------------------------------- */

static void forget_try(struct chat_call *call)
{
    if (call->easy) {
        curl_multi_remove_handle(call->chat->multi, call->easy);
        call->chat->servers[call->server].n_calls--;
    }
    curl_easy_cleanup(call->easy);
    curl_slist_free_all(call->headers);
    free(call->body);
    bytes_fini(&call->page);
    sse_fini(&call->sse);
    call->easy = NULL;
    call->headers = NULL;
    call->body = NULL;
    call->n_matched = 0;
    call->sniffed = call->is_page = call->any_event = false;
}

static void finish(struct chat_call *call)
{
    forget_try(call);
    call->ended = true;
}

/* The request's body, without fields that some server has refused. */
static char *body_of(struct chat_call *call)
{
    for (int k = 0; k < CHAT_N_OPTIONAL; k++) {
        const struct chat_optional *o = &chat_optional[k];
        json_t *value = json_object_get(call->request, o->field);
        if (!value || !call->chat->refuses[k]) continue;
        if (o->instead) json_object_set(call->request, o->instead, value);
        json_object_del(call->request, o->field);
    }
    return json_dumps(call->request, JSON_COMPACT);
}

static bool begin_try(struct chat_call *call, int server)
{
    struct chat *c = call->chat;
    call->server = server;
    call->code = 0;
    call->finish = CHAT_UNFINISHED;
    call->may_try = false;
    call->body = body_of(call);
    CURL *easy = call->body ? curl_easy_init() : NULL;
    if (!easy || !chat_server_setup(c, server, "/chat/completions", easy, &call->headers)) {
        curl_easy_cleanup(easy);
        return false;
    }
    curl_easy_setopt(easy, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)strlen(call->body));
    curl_easy_setopt(easy, CURLOPT_POSTFIELDS, call->body);
    curl_easy_setopt(easy, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(easy, CURLOPT_WRITEDATA, call);
    curl_easy_setopt(easy, CURLOPT_PRIVATE, call);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_LIMIT, 1L);
    curl_easy_setopt(easy, CURLOPT_LOW_SPEED_TIME, c->silence_s);
    if (curl_multi_add_handle(c->multi, easy) != CURLM_OK) {
        curl_easy_cleanup(easy);
        return false;
    }
    call->easy = easy;
    c->servers[server].n_calls++;
    return true;
}

/* -- After a try ------------------------------------------------------------------------------ */

/* Whether the refusal names an optional field, which is left out from now on. */
static bool learn_refusal(struct chat_call *call, long status)
{
    if (status != 400 && status != 422) return false;
    for (int k = 0; k < CHAT_N_OPTIONAL; k++) {
        const struct chat_optional *o = &chat_optional[k];
        bool has = json_object_get(call->request, o->field) != NULL;
        if (!has || !strstr(bytes_text(&call->page), o->instead ? o->instead : o->field)) continue;
        call->chat->refuses[k] = true;
        return true;
    }
    return false;
}

/* Tries again later, perhaps on another server. */
static void try_again(struct chat_call *call, double asked_s)
{
    struct chat *c = call->chat;
    struct chat_server *s = &c->servers[call->server];
    double now = now_s();
    s->n_failed++;
    s->ready_s = now + (asked_s > 0 ? asked_s : chat_backoff_s(c, s->n_failed));
    forget_try(call);
    call->server = -1;
}

/* A server that asks for a wait gets it, within limits; other failures are tried a few times, on
 * each server. */
static bool may_try(struct chat_call *call, double asked_s)
{
    if (asked_s > 0) {
        call->waited_s += asked_s;
        return call->waited_s <= NET_WAIT_S;
    }
    return ++call->n_tries < NET_TRIES + call->chat->n - 1;
}

static void judge_broken(struct chat_call *call, CURLcode code)
{
    struct chat_server *s = &call->chat->servers[call->server];
    call->code = chat_transfer_fail(s, call->easy, code, (int64_t)call->text.n, &call->error);
    call->may_try = transfer_broke(code) && !s->guarded;
}

static void judge_page(struct chat_call *call, long status)
{
    char message[300], *location = NULL;
    chat_error_text(bytes_text(&call->page), call->page.n, message, sizeof message);
    curl_easy_getinfo(call->easy, CURLINFO_REDIRECT_URL, &location);
    call->code = chat_status_fail(name_of(call), status, message, location, call->chat->key != NULL,
                                  &call->error);
    call->may_try = transfer_is_busy(status);
}

/* A stream without an end mark was cut off. */
static void judge_end(struct chat_call *call)
{
    if (call->is_page) take_json(call, bytes_text(&call->page), call->page.n);
    if (call->code || call->finish) return;
    call->may_try = call->any_event;
    call->code = refuse(&call->error, PHI3V_E_DEVICE,
                        call->any_event ? "%.300s broke off in the middle of its answer"
                                        : "%.300s sends something that is no answer",
                        name_of(call));
}

static void judge(struct chat_call *call, CURLcode code)
{
    long status = 0;
    curl_off_t after = 0;
    curl_easy_getinfo(call->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_easy_getinfo(call->easy, CURLINFO_RETRY_AFTER, &after);
    bool answered = code == CURLE_OK || (code == CURLE_WRITE_ERROR && call->code);
    if (!answered && !(call->finish && status == 200))
        judge_broken(call, code);
    else if (!call->code && status != 200)
        judge_page(call, status);
    else if (!call->code)
        judge_end(call);
    if (!call->code && call->n_matched < call->text.n) start_over(call); /* it was longer before */
    if (call->code && learn_refusal(call, status)) {
        forget_try(call);
        call->server = -1;
    } else if (call->code && call->may_try && may_try(call, (double)after)) {
        try_again(call, (double)after);
    } else {
        if (!call->code) call->chat->servers[call->server].n_failed = 0;
        finish(call);
    }
}

/* -- Calls ------------------------------------------------------------------------------------ */

int chat_begin(struct chat *c, struct chat_call *call, struct phi3v_error *err)
{
    call->chat = c;
    call->server = -1;
    call->begun_s = now_s();
    call->next = c->calls;
    c->calls = call;
    if (!json_object_set_new(call->request, "model", json_string(c->model)) &&
        !json_object_set_new(call->request, "stream", json_true()))
        return 0;
    chat_end(c, call);
    return net_fail_memory(err, "an answer");
}

/* Begins waiting calls on servers that are ready. */
static void begin_waiting(struct chat *c)
{
    double ready_s;
    for (struct chat_call *call = c->calls; call; call = call->next) {
        if (call->ended || call->easy) continue;
        int server = chat_server_pick(c, &ready_s);
        if (server < 0) return;
        if (begin_try(call, server)) continue;
        out_of_memory(call);
        finish(call);
    }
}

static void end_tries(struct chat *c)
{
    int left;
    for (CURLMsg *m; (m = curl_multi_info_read(c->multi, &left));) {
        struct chat_call *call = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, (char **)&call);
        judge(call, m->data.result);
    }
}

/* Takes the ended call that has waited longest. */
static struct chat_call *take_ended(struct chat *c)
{
    struct chat_call *found = NULL;
    for (struct chat_call *call = c->calls; call; call = call->next)
        if (call->ended && !call->told) found = call;
    if (found) found->told = true;
    return found;
}

/* Polls no longer than until a server is ready again. */
static int poll_ms(const struct chat *c)
{
    double ready_s, left_s = 1;
    for (const struct chat_call *call = c->calls; call; call = call->next)
        if (!call->ended && !call->easy && chat_server_pick(c, &ready_s) < 0)
            left_s = ready_s - now_s();
    return left_s * 1000 < NET_POLL_MS ? left_s > 0 ? (int)(left_s * 1000) + 1 : 0 : NET_POLL_MS;
}

struct chat_call *chat_wait(struct chat *c)
{
    int running;
    for (int turn = 0; turn < 2; turn++) {
        begin_waiting(c);
        curl_multi_perform(c->multi, &running);
        end_tries(c);
        struct chat_call *call = take_ended(c);
        if (call) return call;
        if (turn == 0) curl_multi_poll(c->multi, NULL, 0, poll_ms(c), NULL);
    }
    return NULL;
}

void chat_sent(const struct chat *c, int64_t *ret_done, int64_t *ret_total)
{
    *ret_done = *ret_total = 0;
    for (const struct chat_call *call = c->calls; call; call = call->next) {
        curl_off_t sent = 0;
        if (!call->easy) continue;
        curl_easy_getinfo(call->easy, CURLINFO_SIZE_UPLOAD_T, &sent);
        *ret_done += sent;
        *ret_total += (int64_t)strlen(call->body);
    }
}

void chat_end(struct chat *c, struct chat_call *call)
{
    struct chat_call **at = &c->calls;
    while (*at && *at != call) at = &(*at)->next;
    if (*at) *at = call->next;
    forget_try(call);
    bytes_fini(&call->text);
    json_decref(call->request);
    call->request = NULL;
}
