/* SPDX-License-Identifier: GPL-3.0-or-later
 * Questions to chat servers: streams however they are cut and spelled, servers that are busy, slow,
 * broken or hostile, keys that stay where they belong, several servers of which one goes. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <curl/curl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "encodings.h"
#include "mock_chat.h"
#include "net/chat.h"
#include "net/transfer.h"

static struct mock_chat server;
static struct chat *chat;
static struct phi3v_error err;

/* What came of one call. */
static struct {
    char text[1 << 16];
    size_t n;
    int n_again, code;
    bool may_again;
    enum chat_finish finish;
    struct chat_usage usage;
    struct phi3v_error error;
    float least;
} got;

/* -- Asking ----------------------------------------------------------------------------------- */

static int on_text(struct chat_call *call, const char *text, size_t n, float logprob)
{
    (void)call;
    assert_true(got.n + n < sizeof got.text);
    memcpy(got.text + got.n, text, n);
    got.text[got.n += n] = 0;
    if (!isnan(logprob)) got.least = logprob;
    return 0;
}

static bool on_again(struct chat_call *call)
{
    (void)call;
    got.n_again++;
    got.n = 0;
    return got.may_again;
}

static int open_with(const char *urls, const char *model, const char *key)
{
    const struct chat_options opt = {
        .urls = urls, .model = model, .key = key, .backoff_s = 0.01, .silence_s = 1};
    memset(&err, 0, sizeof err);
    return chat_open(&opt, &chat, &err);
}

static json_t *request(void)
{
    return json_pack("{s:[{s:s,s:s}],s:i,s:b,s:{s:b}}", "messages", "role", "user", "content",
                     "What?", "max_tokens", 9, "logprobs", 1, "stream_options", "include_usage", 1);
}

/* Asks once; the code. */
static int ask(void)
{
    struct chat_call call = {.request = request(), .on_text = on_text, .on_again = on_again};
    bool may_again = got.may_again;
    memset(&got, 0, sizeof got);
    got.may_again = may_again;
    assert_int_equal(chat_begin(chat, &call, &err), 0);
    double end = now_s() + 30;
    while (chat_wait(chat) != &call) assert_true(now_s() < end);
    got.code = call.code;
    got.error = call.error;
    got.finish = call.finish;
    got.usage = call.usage;
    if (!call.code) assert_string_equal(bytes_text(&call.text), got.text);
    chat_end(chat, &call);
    for (const char *c = got.error.text; got.code && *c; c++) assert_true((unsigned char)*c >= ' ');
    return got.code;
}

/* A server that answers so, and one question to it. */
static int ask_of(mock_chat_fn answer, void *user)
{
    mock_chat_start(&server, answer, user);
    if (open_with(server.url, NULL, NULL)) fail_msg("%s", err.text);
    int rc = ask();
    chat_close(chat);
    mock_chat_stop(&server);
    return rc;
}

static void assert_says(const char *what)
{
    if (!strstr(got.error.text, what)) fail_msg("\"%s\" is not in: %s", what, got.error.text);
}

/* -- Streams ---------------------------------------------------------------------------------- */

/* Bytes as they are behind a head, in pieces of `piece` bytes. */
struct script {
    const char *bytes;
    size_t piece;
};

static void say_script(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    const struct script *s = m->user;
    size_t n = strlen(s->bytes);
    (void)number, (void)q;
    mock_chat_begin(r);
    for (size_t at = 0; at < n; at += s->piece) {
        if (!loopback_send(r, s->bytes + at, n - at < s->piece ? n - at : s->piece)) return;
        if (s->piece < 100) usleep(200);
    }
}

#define EVENT(text) "data: {\"choices\":[{\"delta\":{\"content\":\"" text "\"}}]}\n\n"
#define LAST(why) "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"" why "\"}]}\n\n"

static void test_streams(void **state)
{
    (void)state;
    static const struct {
        const char *bytes, *text;
        enum chat_finish finish;
    } cases[] = {
        {EVENT("two ") EVENT("cats") LAST("stop") "data: [DONE]\n\n", "two cats", CHAT_STOP},
        {EVENT("a") LAST("length") "data: [DONE]\n\n", "a", CHAT_LENGTH},
        {EVENT("no end") LAST("stop"), "no end", CHAT_STOP},
        {EVENT("no reason") "data: [DONE]\n\n", "no reason", CHAT_STOP},
        {": hello\r\n\r\ndata: {\"choices\":\r\ndata: [{\"delta\":{\"content\":\"x\"}}]}\r\n\r\n"
         ": keep-alive\r\n\r\nevent: y\r\nid: 3\r\ndata: [DONE]\r\n\r\n",
         "x", CHAT_STOP},
        {"data:{\"choices\":[{\"delta\":{\"content\":\"cr\"},\"finish_reason\":\"stop\"}]}\r\r",
         "cr", CHAT_STOP},
        {"\xEF\xBB\xBF" EVENT("mark") "data: [DONE]\n\n", "mark", CHAT_STOP},
        {"data: {\"choices\":[]}\n\ndata: {\"choices\":[{\"delta\":{\"role\":\"assistant\","
         "\"content\":null}}]}\n\n" EVENT("late") LAST("stop"),
         "late", CHAT_STOP},
        {EVENT("\\ud83d\\ude00 \xC3\xA9") LAST("stop"), "\xF0\x9F\x98\x80 \xC3\xA9", CHAT_STOP},
        {"data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\"}}]}\n\n" LAST("stop"), "",
         CHAT_STOP},
        {"{\"object\":\"chat.completion\",\"choices\":[{\"message\":{\"content\":\"whole\"},"
         "\"finish_reason\":\"length\"}],\"usage\":{\"prompt_tokens\":7,\"completion_tokens\":1}}",
         "whole", CHAT_LENGTH},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (size_t piece = 1; piece < 1000; piece *= 30) {
            struct script s = {cases[i].bytes, piece};
            if (ask_of(say_script, &s)) fail_msg("case %zu: %s", i, got.error.text);
            assert_string_equal(got.text, cases[i].text);
            assert_int_equal(got.finish, cases[i].finish);
        }
    assert_true(got.usage.known && got.usage.prompt_tokens == 7);
}

static void say_packed(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    static const char stream[] = EVENT("packed") LAST("stop") "data: [DONE]\n\n";
    char asked[40];
    size_t n;
    (void)m, (void)number, (void)q;
    bool plain =
        loopback_header(r, "Accept-Encoding", asked, sizeof asked) && !strcmp(asked, "identity");
    uint8_t *bytes = encode_stored(ENCODE_GZIP, (const uint8_t *)stream, sizeof stream - 1, &n);
    loopback_sendf(r, "HTTP/1.1 %d x\r\nContent-Encoding: gzip\r\nContent-Length: %zu\r\n\r\n",
                   plain ? 200 : 400, n);
    loopback_send(r, bytes, n);
    free(bytes);
}

static void test_packed(void **state)
{
    (void)state;
    assert_int_equal(ask_of(say_packed, NULL), 0);
    assert_string_equal(got.text, "packed");
}

static void test_usage_and_logprobs(void **state)
{
    (void)state;
    struct script s = {
        "data: {\"choices\":[{\"delta\":{\"content\":\"a b\"},\"logprobs\":{\"content\":["
        "{\"logprob\":-0.5},{\"logprob\":-2.5},{\"logprob\":\"x\"}]}}]}\n\n" LAST(
            "stop") "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":10,\"completion_tokens\":2,"
                    "\"prompt_tokens_details\":{\"cached_tokens\":99}}}\n\n",
        100000};
    assert_int_equal(ask_of(say_script, &s), 0);
    assert_true(got.least > -2.6f && got.least < -2.4f);
    assert_int_equal(got.usage.answer_tokens, 2);
    assert_int_equal(got.usage.cached_tokens, 10); /* no more than there were */
}

/* -- What is no answer ------------------------------------------------------------------------ */

static char *huge(const char *begin, const char *part, size_t n, const char *end)
{
    size_t n_part = strlen(part), n_begin = strlen(begin);
    char *text = malloc(n_begin + n * n_part + strlen(end) + 1);
    memcpy(text, begin, n_begin);
    for (size_t k = 0; k < n; k++) memcpy(text + n_begin + k * n_part, part, n_part);
    memcpy(text + n_begin + n * n_part, end, strlen(end) + 1);
    return text;
}

static void test_hostile(void **state)
{
    (void)state;
    char *line = huge("data: ", "x", 2 << 20, "\n\n");
    char *lines = huge("", "data: yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy\n", 60000, "\n");
    char *deep = huge("data: ", "[", 5000, "\n\n");
    const struct {
        const char *bytes, *says;
    } cases[] = {
        {"<html>Welcome</html>", "is no answer"},
        {"Hello there\n\nThis is a text.\n", "is no answer"},
        {"", "is no answer"},
        {"data: nonsense\n\n", "is no answer"},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"\\u0000\"}}]}\n\n", "is no answer"},
        {"data: {\"choices\":[{\"delta\":{\"content\":\"\xFF\xFE\"}}]}\n\n", "is no answer"},
        {"data: 7\n\n", "is no answer"},
        {"data: {}\n\n", "is no answer"},
        {"{\"hello\":1}", "is no answer"},
        {"data: {\"error\":{\"message\":\"out \\u001b[31mof luck\",\"code\":400}}\n\n", "of luck"},
        {"data: {\"object\":\"error\",\"message\":\"old style\",\"code\":400}\n\n", "old style"},
        {"error: {\"code\":400,\"message\":\"it is out\",\"type\":\"x\"}\n\ndata: [DONE]\n\n",
         "it is out"},
        {EVENT("two") "error:{\"code\":400,\"message\":\"it is out\"}\n\ndata: [DONE]\n\n",
         "it is out"},
        {line, "has no end"},
        {lines, "has no end"},
        {deep, "is no answer"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct script s = {cases[i].bytes, 1 << 20};
        assert_int_equal(ask_of(say_script, &s), PHI3V_E_DEVICE);
        assert_says(cases[i].says);
        assert_int_equal(atomic_load(&server.n_asked), 1);
    }
    free(line);
    free(lines);
    free(deep);
}

static void say_odd_fields(struct mock_chat *m, struct loopback_request *r, int number,
                           const json_t *q)
{
    static const char *const odd[] = {
        "{\"choices\":[7]}",
        "{\"choices\":[{\"delta\":[]}]}",
        "{\"choices\":[{\"delta\":{\"content\":{}}}]}",
        "{\"choices\":[{\"finish_reason\":9}]}",
        "{\"choices\":[],\"usage\":{\"prompt_tokens\":-4,\"completion_tokens\":1e99}}",
        "{\"choices\":[{\"delta\":{\"content\":\"\"},\"logprobs\":{\"content\":[{},3]}}]}"};
    (void)m, (void)q, (void)number;
    mock_chat_begin(r);
    for (size_t k = 0; k < sizeof odd / sizeof *odd; k++) loopback_sendf(r, "data: %s\n\n", odd[k]);
    mock_chat_say(r, "fine");
    mock_chat_done(r, "content_filter");
}

static void test_odd_fields(void **state)
{
    (void)state;
    assert_int_equal(ask_of(say_odd_fields, NULL), 0);
    assert_string_equal(got.text, "fine");
    assert_int_equal(got.finish, CHAT_STOP);
}

/* -- Connections that break ------------------------------------------------------------------- */

static void break_first(struct mock_chat *m, struct loopback_request *r, int number,
                        const json_t *q)
{
    const char *second = m->user;
    (void)q;
    mock_chat_begin(r);
    if (number == 1) {
        mock_chat_say(r, "The quick ");
        mock_chat_say(r, "brown");
        usleep(20000);
        loopback_reset(r);
        return;
    }
    mock_chat_say(r, "The qui");
    mock_chat_say(r, second);
    mock_chat_done(r, "stop");
}

static void test_broken(void **state)
{
    (void)state;
    assert_int_equal(ask_of(break_first, "ck brown fox"), 0);
    assert_string_equal(got.text, "The quick brown fox");
    assert_int_equal(got.n_again, 0);
    got.may_again = true;
    assert_int_equal(ask_of(break_first, "et fox"), 0);
    assert_string_equal(got.text, "The quiet fox");
    assert_int_equal(got.n_again, 1);
    assert_int_equal(ask_of(break_first, "ck"), 0); /* shorter this time */
    assert_string_equal(got.text, "The quick");
    assert_int_equal(got.n_again, 1);
    got.may_again = false;
    assert_int_equal(ask_of(break_first, "et fox"), PHI3V_E_DEVICE);
    assert_says("began otherwise");
}

static void always_break(struct mock_chat *m, struct loopback_request *r, int number,
                         const json_t *q)
{
    (void)m, (void)number, (void)q;
    mock_chat_begin(r);
    mock_chat_say(r, "The same");
    usleep(10000);
    loopback_reset(r);
}

static void hang_up(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    (void)m, (void)number, (void)q;
    loopback_reset(r);
}

static void be_silent(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    (void)m, (void)number, (void)q;
    mock_chat_begin(r);
    loopback_wait(r, 20);
}

static void cut_without_end(struct mock_chat *m, struct loopback_request *r, int number,
                            const json_t *q)
{
    (void)m, (void)number, (void)q;
    mock_chat_begin(r);
    mock_chat_say(r, "half");
}

static void test_broken_for_good(void **state)
{
    (void)state;
    mock_chat_fn ways[] = {always_break, hang_up, cut_without_end};
    for (size_t k = 0; k < 3; k++) {
        assert_int_equal(ask_of(ways[k], NULL), PHI3V_E_DEVICE);
        assert_in_range(atomic_load(&server.n_asked), 5, 6);
    }
    assert_says("broke off in the middle");
}

static void speak_late(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    if (number == 1)
        be_silent(m, r, number, q);
    else
        mock_chat_answer(r, "late");
}

static void test_silence(void **state)
{
    (void)state;
    double begun = now_s();
    assert_int_equal(ask_of(speak_late, NULL), 0);
    assert_string_equal(got.text, "late");
    assert_true(now_s() - begun < 8);
}

/* -- Statuses --------------------------------------------------------------------------------- */

struct status {
    int first, code; // so many times this status
    const char *headers, *body;
};

static void say_status(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    const struct status *s = m->user;
    (void)q;
    if (number <= s->first)
        mock_chat_status(r, s->code, s->headers, s->body);
    else
        mock_chat_answer(r, "after all");
}

static void test_busy(void **state)
{
    (void)state;
    const int codes[] = {408, 429, 500, 502, 503, 504};
    for (size_t k = 0; k < sizeof codes / sizeof *codes; k++) {
        struct status s = {3, codes[k], "", "{\"error\":{\"message\":\"busy\"}}"};
        assert_int_equal(ask_of(say_status, &s), 0);
        assert_string_equal(got.text, "after all");
        s.first = 100;
        assert_int_equal(ask_of(say_status, &s), PHI3V_E_DEVICE);
        assert_says("busy");
        assert_int_equal(atomic_load(&server.n_asked), 5);
    }
    struct status s = {1, 429, "Retry-After: 1\r\n", ""};
    double begun = now_s();
    assert_int_equal(ask_of(say_status, &s), 0);
    assert_true(now_s() - begun > 0.9);
    s.headers = "Retry-After: 4000\r\n";
    assert_int_equal(ask_of(say_status, &s), PHI3V_E_DEVICE);
    assert_says("try again later");
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        int code;
        const char *body, *says;
        int rc;
    } cases[] = {
        {401, "{\"error\":{\"message\":\"no\"}}", "it needs a key", PHI3V_E_DEVICE},
        {403, "", "it needs a key", PHI3V_E_DEVICE},
        {404, "<html>", "is that the address of its /v1?", PHI3V_E_DEVICE},
        {413, "", "too large", PHI3V_E_DEVICE},
        {400, "{\"detail\":\"bad \\u009b picture\"}", "bad", PHI3V_E_DEVICE},
        {400, "{\"error\":{\"message\":\"This model's maximum context length is 9\"}}",
         "the prompt is too long", PHI3V_E_TOO_LONG},
        {422, "{\"detail\":[{\"loc\":[\"body\"],\"msg\":\"field required\"}]}", "field required",
         PHI3V_E_DEVICE},
        {400, "{\"error\":{\"message\":\"the request exceeds the available context size\"}}",
         "the prompt is too long", PHI3V_E_TOO_LONG},
        {418, "{", "HTTP status 418", PHI3V_E_DEVICE},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct status s = {9, cases[i].code, "", cases[i].body};
        assert_int_equal(ask_of(say_status, &s), cases[i].rc);
        assert_says(cases[i].says);
        assert_int_equal(atomic_load(&server.n_asked), 1);
    }
}

static void refuse_fields(struct mock_chat *m, struct loopback_request *r, int number,
                          const json_t *q)
{
    (void)m, (void)number;
    if (json_object_get(q, "logprobs"))
        mock_chat_status(r, 400, "", "{\"error\":\"logprobs is not supported\"}");
    else if (json_object_get(q, "stream_options"))
        mock_chat_status(r, 422, "", "{\"detail\":\"extra field stream_options\"}");
    else if (json_object_get(q, "max_tokens"))
        mock_chat_status(r, 400, "", "{\"error\":\"use max_completion_tokens instead\"}");
    else if (json_integer_value(json_object_get(q, "max_completion_tokens")) == 9)
        mock_chat_answer(r, "without");
    else
        mock_chat_status(r, 400, "", "{}");
}

static void test_what_servers_cannot(void **state)
{
    (void)state;
    mock_chat_start(&server, refuse_fields, NULL);
    assert_int_equal(open_with(server.url, NULL, NULL), 0);
    assert_int_equal(ask(), 0);
    assert_string_equal(got.text, "without");
    assert_int_equal(atomic_load(&server.n_asked), 4);
    assert_int_equal(ask(), 0); /* learned */
    assert_int_equal(atomic_load(&server.n_asked), 5);
    chat_close(chat);
    mock_chat_stop(&server);
}

/* -- Keys ------------------------------------------------------------------------------------- */

static const char secret[] = "sk-secret-123";

static void want_key(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    char value[100] = "";
    (void)m, (void)q, (void)number;
    loopback_header(r, "Authorization", value, sizeof value);
    if (!strcmp(value, "Bearer sk-secret-123"))
        mock_chat_answer(r, "open");
    else
        mock_chat_status(r, 401, "", "{\"error\":{\"message\":\"wrong key\"}}");
}

static void see_no_key(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    (void)m, (void)q, (void)number;
    if (strcasestr(r->head, "authorization") || strstr(r->head, secret)) abort();
    mock_chat_answer(r, "elsewhere");
}

static void redirect(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    char header[200];
    (void)q, (void)number;
    snprintf(header, sizeof header, "Location: %s/chat/completions\r\n", (const char *)m->user);
    mock_chat_status(r, 307, header, "");
}

static void test_keys(void **state)
{
    (void)state;
    mock_chat_start(&server, want_key, NULL);
    assert_int_equal(open_with(server.url, NULL, secret), 0);
    assert_int_equal(ask(), 0);
    chat_close(chat);
    assert_int_equal(open_with(server.url, NULL, "sk-other"), 0);
    assert_int_equal(ask(), PHI3V_E_DEVICE);
    assert_says("it refuses the key");
    assert_null(strstr(got.error.text, "sk-other"));
    chat_close(chat);
    const char *const bad[] = {"two words", "line\nbreak", "gr\xC3\xBCn", "tab\t"};
    for (size_t k = 0; k < 4; k++) {
        assert_int_equal(open_with(server.url, NULL, bad[k]), PHI3V_E_ARGUMENT);
        assert_null(strstr(err.text, bad[k]));
    }
    mock_chat_stop(&server);
}

static void test_redirects(void **state)
{
    (void)state;
    struct mock_chat other;
    mock_chat_start(&other, see_no_key, NULL);
    mock_chat_start(&server, redirect, other.url);
    assert_int_equal(open_with(server.url, NULL, secret), 0);
    assert_int_equal(ask(), PHI3V_E_DEVICE);
    assert_says("which is not followed");
    assert_says(other.url);
    chat_close(chat);
    server.models = redirect;
    assert_int_equal(open_with(server.url, NULL, secret), PHI3V_E_DEVICE);
    assert_int_equal(loopback_accepted(other.server), 0);
    mock_chat_stop(&server);
    mock_chat_stop(&other);
}

/* Nothing is connected: the address alone decides. */
static void test_key_in_public(void **state)
{
    (void)state;
    double begun = now_s();
    assert_int_equal(open_with("http://198.51.100.7:81", NULL, secret), PHI3V_E_DEVICE);
    if (!strstr(err.text, "unencrypted")) fail_msg("%s", err.text);
    assert_true(now_s() - begun < 3);
}

/* -- Addresses and models --------------------------------------------------------------------- */

static void answer_model(struct mock_chat *m, struct loopback_request *r, int number,
                         const json_t *q)
{
    (void)m, (void)number;
    mock_chat_answer(r, json_string_value(json_object_get(q, "model")));
}

static void test_addresses(void **state)
{
    (void)state;
    static const char *const endings[] = {"",          "/", "/v1", "/v1/", "/v1/chat/completions",
                                          "/v1/models"};
    static const char *const bad[] = {"",
                                      "ftp://127.0.0.1/v1",
                                      "127.0.0.1:80",
                                      "http://",
                                      "http://u:p@127.0.0.1/v1",
                                      "http://127.0.0.1/v1?key=s3cret",
                                      "http://127.0.0.1:99999/",
                                      ", ,"};
    mock_chat_start(&server, answer_model, NULL);
    for (size_t k = 0; k < sizeof endings / sizeof *endings; k++) {
        char url[128];
        snprintf(url, sizeof url, "http://127.0.0.1:%d%s", loopback_port(server.server),
                 endings[k]);
        if (open_with(url, NULL, NULL)) fail_msg("%s", err.text);
        assert_string_equal(chat_name(chat), server.url);
        assert_string_equal(chat_model(chat), "mock");
        assert_int_equal(chat_context(chat), 4096);
        chat_close(chat);
    }
    assert_int_equal(open_with(server.url, "other", NULL), 0);
    assert_int_equal(ask(), 0);
    assert_string_equal(got.text, "other");
    chat_close(chat);
    assert_int_equal(open_with(server.url, "third", NULL), PHI3V_E_DEVICE);
    assert_non_null(strstr(err.text, "does not serve third, but mock, other"));
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        assert_int_equal(open_with(bad[k], NULL, NULL), PHI3V_E_ARGUMENT);
        assert_null(strstr(err.text, "s3cret"));
        assert_null(strstr(err.text, ":p@"));
    }
    mock_chat_stop(&server);
}

static void list_late(struct mock_chat *m, struct loopback_request *r, int number, const json_t *q)
{
    (void)m, (void)q;
    if (number < 3)
        mock_chat_status(r, 503, "", "{\"error\":{\"message\":\"Loading model\"}}");
    else
        mock_chat_status(r, 200, "", "{\"data\":[{\"id\":\"late\",\"meta\":{\"n_ctx\":77}}]}");
}

static void list_nonsense(struct mock_chat *m, struct loopback_request *r, int number,
                          const json_t *q)
{
    (void)q, (void)number;
    mock_chat_status(r, 200, "", m->user);
}

static void test_lists(void **state)
{
    (void)state;
    static const char *const bad[] = {"<html>", "[]", "{\"data\":7}", "{\"data\":[]}",
                                      "{\"data\":[{\"id\":9},3]}"};
    mock_chat_start(&server, answer_model, NULL);
    server.models = list_late;
    assert_int_equal(open_with(server.url, NULL, NULL), 0);
    assert_string_equal(chat_model(chat), "late");
    assert_int_equal(chat_context(chat), 77);
    chat_close(chat);
    server.models = list_nonsense;
    for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
        server.user = (void *)(uintptr_t)bad[k];
        assert_int_equal(open_with(server.url, NULL, NULL), PHI3V_E_DEVICE);
    }
    mock_chat_stop(&server);
    int fd, port = loopback_closed_port(&fd);
    char url[64];
    snprintf(url, sizeof url, "http://127.0.0.1:%d", port);
    assert_int_equal(open_with(url, NULL, NULL), PHI3V_E_DEVICE);
    assert_non_null(strstr(err.text, "cannot connect"));
    close(fd);
}

/* -- Several ---------------------------------------------------------------------------------- */

static void test_stop(void **state)
{
    (void)state;
    mock_chat_start(&server, mock_chat_answer_slowly, NULL);
    assert_int_equal(open_with(server.url, NULL, NULL), 0);
    struct chat_call call = {.request = request(), .on_text = on_text};
    memset(&got, 0, sizeof got);
    assert_int_equal(chat_begin(chat, &call, &err), 0);
    while (got.n < 20) chat_wait(chat);
    double begun = now_s();
    chat_end(chat, &call);
    while (atomic_load(&server.n_now)) usleep(1000);
    assert_true(now_s() - begun < 0.3); /* the server knows, too */
    chat_close(chat);
    mock_chat_stop(&server);
}

enum { N_MANY = 60 };

static void answer_number(struct mock_chat *m, struct loopback_request *r, int number,
                          const json_t *q)
{
    (void)m, (void)number;
    const json_t *turn = json_array_get(json_object_get(q, "messages"), 0);
    usleep(3000);
    mock_chat_answer(r, json_string_value(json_object_get(turn, "content")));
}

static int hear(struct chat_call *call, const char *text, size_t n, float logprob)
{
    (void)call, (void)text, (void)n, (void)logprob;
    return 0;
}

static void make_calls(struct chat_call *calls)
{
    for (int k = 0; k < N_MANY; k++) {
        char text[20];
        snprintf(text, sizeof text, "number %d", k);
        calls[k] = (struct chat_call){
            .request = json_pack("{s:[{s:s,s:s}]}", "messages", "role", "user", "content", text),
            .on_text = hear};
    }
}

/* Two servers, of which one goes in the middle: every question gets its own answer, once. */
static void test_one_of_two_goes(void **state)
{
    (void)state;
    struct mock_chat other;
    char urls[200], want[20];
    static struct chat_call calls[N_MANY];
    mock_chat_start(&server, answer_number, NULL);
    mock_chat_start(&other, answer_number, NULL);
    snprintf(urls, sizeof urls, "%s,%s", server.url, other.url);
    assert_int_equal(open_with(urls, NULL, NULL), 0);
    assert_int_equal(chat_n_servers(chat), 2);
    make_calls(calls);
    for (int begun = 0, ended = 0; ended < N_MANY;) {
        while (begun < N_MANY && begun - ended < 8)
            assert_int_equal(chat_begin(chat, &calls[begun++], &err), 0);
        struct chat_call *call = chat_wait(chat);
        if (!call) continue;
        snprintf(want, sizeof want, "number %d", (int)(call - calls));
        if (call->code) fail_msg("%s", call->error.text);
        assert_string_equal(bytes_text(&call->text), want);
        chat_end(chat, call);
        if (++ended != 20) continue;
        assert_true(atomic_load(&other.n_asked) > 5);
        mock_chat_stop(&other);
    }
    chat_close(chat);
    snprintf(urls, sizeof urls, "%s %s", other.url, server.url);
    assert_int_equal(open_with(urls, NULL, NULL), 0);
    assert_non_null(strstr(chat_note(chat), "cannot connect"));
    assert_int_equal(ask(), 0);
    chat_close(chat);
    mock_chat_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_streams),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_usage_and_logprobs),
        cmocka_unit_test(test_hostile),
        cmocka_unit_test(test_odd_fields),
        cmocka_unit_test(test_broken),
        cmocka_unit_test(test_broken_for_good),
        cmocka_unit_test(test_silence),
        cmocka_unit_test(test_busy),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_what_servers_cannot),
        cmocka_unit_test(test_keys),
        cmocka_unit_test(test_redirects),
        cmocka_unit_test(test_key_in_public),
        cmocka_unit_test(test_addresses),
        cmocka_unit_test(test_lists),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_one_of_two_goes),
    };
    curl_global_init(CURL_GLOBAL_DEFAULT);
    int failed = cmocka_run_group_tests_name("servers", tests, NULL, NULL);
    curl_global_cleanup();
    return failed;
}
