/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope serve, asked over the loopback: each answer is the one that phiscope ask gives, whole or
 * streamed, alone or among others; and what is wrong with a request is told, never crashed upon. */
#define _GNU_SOURCE
#include <curl/curl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive.h"
#include "golden.h"
#include "served.h"

static const char *model(void) { return drive_golden("models/tiny-gqa-bf16"); }

/* A server of the tiny model, with these words more. */
#define TINY(...) SERVE("-m", model(), "--num-crops", "1", "--dtype", "f32", __VA_ARGS__)

static char chart[4096]; // a picture's path

static const char *picture(void) { return chart; }

/* -- As phiscope ask --------------------------------------------------------------------------- */

struct question {
    const char *text;
    bool picture;
    const char *more;     // of the request
    const char *words[8]; // the same on the command line
};

static const struct question questions[] = {
    {"One.", false, "\"max_tokens\": 12", {"--max-new-tokens", "12"}},
    {"What does it show?", true, "\"max_tokens\": 12", {"--max-new-tokens", "12"}},
    {"Draw.",
     false,
     "\"max_completion_tokens\": 20, \"temperature\": 0.9, \"top_p\": 0.8, \"seed\": 5, "
     "\"top_k\": -1",
     {"--max-new-tokens", "20", "--temperature", "0.9", "--top-p", "0.8", "--seed=5"}},
    {"Again, with <|end|> in it,\r\nand two lines.",
     true,
     "\"max_tokens\": 30, \"temperature\": 1.3, \"seed\": 7, \"top_k\": 9",
     {"--max-new-tokens", "30", "--temperature", "1.3", "--seed=7", "--top-k", "9"}},
    {"Usual length", false, "\"stop\": [\"zzz\", \"e\"]", {"--stop", "zzz", "--stop", "e"}},
};
enum { N_QUESTIONS = sizeof questions / sizeof *questions };

/* What phiscope ask --json says; json_decref. */
static json_t *asked(const struct question *q)
{
    const char *words[24] = {"ask", "--json", "-m", model(), "--num-crops", "1", "--dtype", "f32"};
    int n = 8;
    if (q->picture) words[n++] = "-i", words[n++] = picture();
    for (int i = 0; i < 8 && q->words[i]; i++) words[n++] = q->words[i];
    words[n++] = q->text;
    drive(NULL, words);
    return drive_json(0);
}

static const char *text_of(const json_t *answer)
{
    const char *text = json_string_value(json_object_get(answer, "text"));
    return text ? text : "(no answer)";
}

static bool same_usage(const struct reply *r, const json_t *want)
{
    json_t *body = reply_json(r), *usage = json_object_get(body, "usage");
    size_t n_in = json_array_size(json_object_get(want, "input_ids"));
    size_t n_out = json_array_size(json_object_get(want, "output_ids"));
    json_int_t in = json_integer_value(json_object_get(usage, "prompt_tokens"));
    json_int_t out = json_integer_value(json_object_get(usage, "completion_tokens"));
    json_int_t all = json_integer_value(json_object_get(usage, "total_tokens"));
    json_decref(body);
    return in == (json_int_t)n_in && out == (json_int_t)n_out && all == in + out;
}

static bool same_finish(const struct reply *r, const json_t *want)
{
    json_t *body = reply_json(r);
    json_t *choice = json_array_get(json_object_get(body, "choices"), 0);
    bool same = json_equal(json_object_get(choice, "finish_reason"),
                           json_object_get(want, "finish_reason"));
    json_decref(body);
    return same;
}

static void whole_and_streamed(const struct served *s, const struct question *q)
{
    json_t *want = asked(q);
    struct reply r = serve_chat(s, q->text, q->picture ? picture() : NULL, q->more);
    char *text = reply_text(&r), more[200];
    tap_ok(r.status == 200 && text && !strcmp(text, text_of(want)), "\"%.8s\": as ask", q->text);
    tap_ok(same_usage(&r, want) && same_finish(&r, want), "\"%.8s\": usage and finish", q->text);
    free(text);
    reply_free(&r);
    bool sound;
    snprintf(more, sizeof more, "%s, \"stream\": true", q->more);
    r = serve_chat(s, q->text, q->picture ? picture() : NULL, more);
    text = reply_streamed(&r, &sound);
    tap_ok(sound && !strcmp(text, text_of(want)), "\"%.8s\": streamed", q->text);
    free(text);
    reply_free(&r);
    json_decref(want);
}

/* Turns, a system message, text in parts, a picture of an earlier turn. */
static void conversation(const struct served *s)
{
    char *first = chat_body("What?", picture(), "\"max_tokens\": 6");
    json_t *body = json_loads(first, 0, NULL), *messages = json_object_get(body, "messages");
    free(first);
    json_array_insert_new(messages, 0,
                          json_pack("{s:s,s:s}", "role", "developer", "content", "Be brief."));
    json_array_append_new(messages, json_pack("{s:s,s:[{s:s,s:s}]}", "role", "assistant", "content",
                                              "type", "text", "text", "A chart."));
    json_array_append_new(messages, json_pack("{s:s,s:[{s:s,s:s},{s:s,s:s}]}", "role", "user",
                                              "content", "type", "text", "text", "And", "type",
                                              "text", "text", "then?"));
    char *text = json_dumps(body, 0);
    struct reply r = serve_ask(s, CHAT, text, NULL);
    char *got = reply_text(&r);
    const struct run *run =
        DRIVE(NULL, "ask", "--json", "--raw", "-m", model(), "--num-crops", "1", "--dtype", "f32",
              "--max-new-tokens", "6", "-i", picture(),
              "<|system|>\nBe brief.<|end|>\n<|user|>\n<|image_1|>\nWhat?<|end|>\n"
              "<|assistant|>\nA chart.<|end|>\n<|user|>\nAnd\nthen?<|end|>\n<|assistant|>\n");
    json_t *want = drive_json(0);
    tap_ok(run->status == 0 && got && !strcmp(got, text_of(want)),
           "a conversation is the template's");
    tap_ok(same_usage(&r, want), "token for token");
    json_decref(want);
    json_decref(body);
    free(got);
    free(text);
    reply_free(&r);
}

static void logprobs(const struct served *s)
{
    static const struct question q = {
        "Sure?", false, "", {"--max-new-tokens", "5", "--set", "certainty=on"}};
    json_t *want = asked(&q);
    struct reply r =
        serve_chat(s, q.text, NULL, "\"max_tokens\": 5, \"logprobs\": true, \"top_logprobs\": 2");
    json_t *body = reply_json(&r), *item;
    json_t *list = json_object_get(
        json_object_get(json_array_get(json_object_get(body, "choices"), 0), "logprobs"),
        "content");
    size_t i;
    bool same = json_array_size(list) == 5;
    char *text = reply_text(&r), told[4000] = "";
    json_array_foreach(list, i, item)
    {
        double got = json_number_value(json_object_get(item, "logprob"));
        double known = json_number_value(json_array_get(json_object_get(want, "logprobs"), i));
        same &= got - known < 2e-6 && known - got < 2e-6;
        same &= json_array_size(json_object_get(item, "top_logprobs")) == 2;
        json_t *bytes = json_object_get(item, "bytes"), *byte;
        size_t k, n = strlen(told);
        json_array_foreach(bytes, k, byte) told[n + k] = (char)json_integer_value(byte);
    }
    tap_ok(same, "log-probabilities are those of ask --json");
    tap_ok(text && !strcmp(text, told), "the tokens' bytes are the text");
    free(text);
    reply_free(&r);
    json_decref(body);
    json_decref(want);
}

/* Of an answer that a stop string has cut there are the tokens whose text is left. */
static void logprobs_until_stopped(const struct served *s)
{
    json_t *want = asked(&questions[4]);
    struct reply r =
        serve_chat(s, questions[4].text, NULL, "\"stop\": [\"zzz\", \"e\"], \"logprobs\": true");
    json_t *body = reply_json(&r), *choice = json_array_get(json_object_get(body, "choices"), 0);
    json_t *list = json_object_get(json_object_get(choice, "logprobs"), "content"), *item;
    size_t i, n = 0, n_all = json_array_size(json_object_get(want, "output_ids"));
    json_array_foreach(list, i, item) n += json_array_size(json_object_get(item, "bytes"));
    tap_ok(n <= strlen(text_of(want)) && json_array_size(list) < n_all,
           "%zu bytes in %zu tokens of an answer of %zu that was stopped", n, json_array_size(list),
           strlen(text_of(want)));
    json_decref(body);
    json_decref(want);
    reply_free(&r);
}

static void cached(const struct served *s)
{
    struct reply r = serve_chat(s, "What does it show?", picture(), "\"max_tokens\": 2");
    reply_free(&r);
    r = serve_chat(
        s, "What does it show?", picture(),
        "\"max_tokens\": 2, \"stream\": true, \"stream_options\": {\"include_usage\": true}");
    char *usage = strstr(r.body, "\"choices\":[],\"usage\":");
    char *known = usage ? strstr(usage, "\"cached_tokens\":") : NULL;
    tap_ok(known && atoi(known + 16) > 100, "usage of a stream says what was known");
    reply_free(&r);
}

/* The newer dialect: the same answer in another shape, and in events of its own. */
static void responses(const struct served *s)
{
    static const char body[] = "{\"input\": \"One.\", \"max_output_tokens\": 12}";
    static const char streamed[] =
        "{\"input\": \"One.\", \"max_output_tokens\": 12, \"stream\": true}";
    json_t *want = asked(&questions[0]);
    struct reply r = serve_ask(s, "/v1/responses", body, NULL);
    json_t *all = reply_json(&r), *item = json_array_get(json_object_get(all, "output"), 0);
    json_t *part = json_array_get(json_object_get(item, "content"), 0);
    tap_ok(!strcmp(text_of(part), text_of(want)), "a response is the same answer");
    json_decref(all);
    reply_free(&r);
    r = serve_ask(s, "/v1/responses", streamed, NULL);
    const char *done = strstr(r.body, "event: response.output_text.done\ndata: ");
    all = done ? json_loads(strchr(done, '{'), JSON_DISABLE_EOF_CHECK, NULL) : NULL;
    tap_ok(!strcmp(text_of(all), text_of(want)) && strstr(r.body, "event: response.incomplete"),
           "streamed, too");
    json_decref(all);
    json_decref(want);
    reply_free(&r);
}

/* The value of a line of /metrics; -1: there is none. */
static double metric(const struct served *s, const char *name)
{
    struct reply r = serve_ask(s, "/metrics", NULL, NULL);
    char line[100];
    snprintf(line, sizeof line, "\n%s ", name);
    const char *at = strstr(r.body, line);
    double value = at ? strtod(at + strlen(line), NULL) : -1;
    reply_free(&r);
    return value;
}

static void metrics(const struct served *s)
{
    double before = metric(s, "phiscope_answer_tokens_total");
    struct reply r = serve_chat(s, "One.", NULL, "\"max_tokens\": 12");
    reply_free(&r);
    tap_ok(before >= 0 && metric(s, "phiscope_answer_tokens_total") >= before + 1,
           "an answer's tokens are counted");
    tap_ok(metric(s, "phiscope_running") == 0 && metric(s, "phiscope_held_bytes") == 0,
           "nothing is held behind it");
}

/* -- Side by side ------------------------------------------------------------------------------ */

struct client {
    const struct served *s;
    int i;
    char *text;
    pthread_t thread;
};

static void crowd_body(int i, char *text, char *more)
{
    sprintf(text, "Question %d of many, %s", i,
            i % 2 ? "a long one that goes on for a while" : "short");
    sprintf(more, "\"max_tokens\": %d, \"temperature\": %s, \"seed\": %d", 20 + 7 * (i % 5),
            i % 3 ? "0.8" : "0", i);
}

static void *one_of_many(void *user)
{
    struct client *c = user;
    char text[200], more[200];
    crowd_body(c->i, text, more);
    struct reply r = serve_chat(c->s, text, c->i % 4 ? NULL : picture(), more);
    c->text = reply_text(&r);
    reply_free(&r);
    return NULL;
}

static void crowd(const struct served *s)
{
    enum { N = 16 };
    struct client together[N] = {0}, alone[N] = {0};
    int n_same = 0;
    for (int i = 0; i < N; i++) {
        together[i] = alone[i] = (struct client){.s = s, .i = i};
        pthread_create(&together[i].thread, NULL, one_of_many, &together[i]);
    }
    for (int i = 0; i < N; i++) pthread_join(together[i].thread, NULL);
    for (int i = 0; i < N; i++) {
        one_of_many(&alone[i]);
        n_same += together[i].text && alone[i].text && !strcmp(together[i].text, alone[i].text);
        free(together[i].text);
        free(alone[i].text);
    }
    tap_ok(n_same == N, "%d of %d answers given together are those given alone", n_same, N);
}

/* -- What is refused --------------------------------------------------------------------------- */

static void expect_error(const struct reply *r, long status, const char *says, const char *name)
{
    json_t *body = reply_json(r), *error = json_object_get(body, "error");
    const char *message = json_string_value(json_object_get(error, "message"));
    bool whole = message && json_is_string(json_object_get(error, "type")) &&
                 json_object_get(error, "param") && json_object_get(error, "code");
    if (!tap_ok(r->status == status && whole && strstr(message, says), "%s: %ld", name, status))
        tap_note("%ld %.300s", r->status, r->body);
    json_decref(body);
}

static void wrong_bodies(const struct served *s)
{
    static const struct {
        const char *body, *says;
        long status;
    } wrong[] = {
        {"", "is empty", 400},
        {"{\"messages\": [", "JSON", 400},
        {"[]", "a JSON object", 400},
        {"{}", "messages must be a list", 400},
        {"{\"messages\": []}", "messages must be a list", 400},
        {"{\"messages\": [7]}", "role", 400},
        {"{\"messages\": [{\"role\": \"tool\", \"content\": \"x\"}]}", "role \"tool\"", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": 7}]}", "a string or a list", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"video\"}]}]}",
         "\"video\"", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"image_url\"}]}]}",
         "image_url must", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"<|image_1|>\"}]}", "picture", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"n\": 2}", "n is 2", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"max_tokens\": 0}",
         "max_tokens", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"temperature\": \"hot\"}",
         "a number", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"temperature\": -1}",
         "temperature", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"top_logprobs\": 3}",
         "logprobs", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"stop\": [\"\"]}", "empty",
         400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"tools\": [{}]}", "tools",
         400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"presence_penalty\": 1}",
         "presence", 400},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\"}], \"model\": \"gpt\"}",
         "\"gpt\"", 404},
        {"{\"messages\": [{\"role\": \"user\", \"content\": \"a\\u0000b\"}]}", "", 400},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct reply r = serve_ask(s, CHAT, wrong[i].body, NULL);
        expect_error(&r, wrong[i].status, wrong[i].says, wrong[i].body);
        reply_free(&r);
    }
}

static void wrong_paths(const struct served *s)
{
    struct reply r = serve_ask(s, "/v2/chat", NULL, NULL);
    expect_error(&r, 404, "/v2/chat", "another path");
    reply_free(&r);
    r = serve_ask(s, "/chat/completions", "{}", NULL);
    expect_error(&r, 404, "must end in /v1", "a base address without /v1");
    reply_free(&r);
    r = serve_ask(s, CHAT, NULL, NULL);
    expect_error(&r, 405, "POST", "another method");
    tap_ok(strstr(r.headers, "Allow: POST") != NULL, "which one is right");
    reply_free(&r);
    r = serve_ask(s, "/v1/models", NULL, "Host: evil.example");
    expect_error(&r, 403, "evil.example", "a name that leads here from elsewhere");
    reply_free(&r);
    r = serve_ask(s, "/v1/models", NULL, "Host: 127.0.0.1.evil.example");
    expect_error(&r, 403, "evil.example", "one that begins as this machine's addresses do");
    reply_free(&r);
    r = serve_ask(s, "/v1/models", NULL, "Host: localhost.evil.example");
    expect_error(&r, 403, "evil.example", "or as its name");
    reply_free(&r);
    char *body = chat_body("a", NULL, NULL);
    r = serve_ask(s, CHAT, body, "Origin: https://evil.example");
    expect_error(&r, 403, "https://evil.example", "a page of another site");
    reply_free(&r);
    r = serve_ask(s, CHAT, body, "Content-Length: 99999999");
    expect_error(&r, 413, "64 MiB", "a body that is too large");
    reply_free(&r);
    free(body);
}

static void wrong_pictures(const struct served *s)
{
    const char *files[] = {"/chart.png", picture(), NULL};
    struct http *h = http_start(files);
    char address[80];
    snprintf(address, sizeof address, "http://127.0.0.1:%d/chart.png", http_port(h));
    struct reply r = serve_chat(s, "a", address, NULL);
    expect_error(&r, 400, "private", "a picture of a private network");
    reply_free(&r);
    struct served open = TINY("--allow-private-urls");
    r = serve_chat(&open, "What does it show?", address, "\"max_tokens\": 12");
    struct reply data = serve_chat(&open, "What does it show?", picture(), "\"max_tokens\": 12");
    char *one = reply_text(&r), *other = reply_text(&data);
    tap_ok(one && other && !strcmp(one, other), "which may be allowed");
    tap_ok(serve_stop(&open, SIGTERM) == 0, "and ends");
    free(one);
    free(other);
    reply_free(&data);
    reply_free(&r);
    http_stop(h);
    r = serve_chat(s, "a", "/etc/passwd ", NULL);
    expect_error(&r, 400, "addresses only", "a file of the server");
    reply_free(&r);
    r = serve_chat(s, "a", "data:image/png;base64,AAAA", NULL);
    expect_error(&r, 400, "data:image/png", "bytes that are no picture");
    reply_free(&r);
}

static void too_long(const struct served *s)
{
    enum { N = 20000 };
    char *text = malloc(N + 1);
    for (int i = 0; i < N; i++) text[i] = "a b "[i % 4];
    text[N] = 0;
    struct reply r = serve_chat(s, text, picture(), NULL);
    expect_error(&r, 400, "the context is", "a prompt that does not fit");
    reply_free(&r);
    free(text);
    tap_ok(metric(s, "phiscope_held_bytes") == 0, "its picture is not held");
}

/* -- Keys -------------------------------------------------------------------------------------- */

static void keys(void)
{
    const char *file = drive_write("keys", "# ours\n\n  secret-one  \nsecret-two\r\n");
    struct served s = TINY("--api-key-file", file);
    static const struct {
        const char *header;
        long status;
    } cases[] = {{NULL, 401},
                 {"Authorization: Bearer secret-one", 200},
                 {"Authorization: bearer secret-two", 200},
                 {"Authorization: Bearer secret-tw", 401},
                 {"Authorization: Bearer secret-twoo", 401},
                 {"Authorization: Bearer # ours", 401},
                 {"Authorization: Bearer", 401},
                 {"Authorization: Basic secret-one", 401},
                 {"X-Api-Key: secret-one", 401}};
    char *body = chat_body("One.", NULL, "\"max_tokens\": 2");
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct reply r = serve_ask(&s, CHAT, body, cases[i].header);
        tap_ok(r.status == cases[i].status, "%s: %ld", cases[i].header ? cases[i].header : "no key",
               r.status);
        reply_free(&r);
    }
    struct reply r = serve_ask(&s, "/v1/models", NULL, NULL);
    expect_error(&r, 401, "Bearer KEY", "the list of models needs one, too");
    reply_free(&r);
    r = serve_ask(&s, "/health", NULL, "Host: any.example");
    tap_ok(r.status == 200, "health does not, under any name");
    reply_free(&r);
    free(body);
    tap_ok(serve_stop(&s, SIGINT) == 0, "Ctrl-C ends it");
    const struct run *run = DRIVE(NULL, "serve", "-m", model(), "--port", "0", "--host", "0.0.0.0");
    tap_ok(run->status == 2 && strstr(run->err, "--api-key-file"),
           "others may only come with keys");
    run = DRIVE(NULL, "serve", "-m", model(), "--port", "0", "--api-key-file",
                drive_write("none", "# none\n"));
    tap_ok(run->status == 4 && strstr(run->err, "has no key"), "a file without a key is refused");
}

/* -- Coming and going -------------------------------------------------------------------------- */

static const char long_answer[] = "\"max_tokens\": 100000, \"temperature\": 1, \"stream\": true";

struct waiting {
    const struct served *s;
    struct reply reply;
    pthread_t thread;
};

static void *wait_for_it(void *user)
{
    struct waiting *w = user;
    w->reply = serve_chat(w->s, "Go on and on", NULL, long_answer);
    return NULL;
}

static void start_waiting(struct waiting *w, const struct served *s)
{
    *w = (struct waiting){.s = s};
    pthread_create(&w->thread, NULL, wait_for_it, w);
    usleep(200000);
}

/* One answer at a time, nobody may wait: whoever comes meanwhile is told to come again, and one who
 * goes makes room. */
static void full_queue(void)
{
    struct served s = TINY("--ctx", "1500", "--parallel", "1", "--max-queue", "0");
    struct waiting busy;
    start_waiting(&busy, &s);
    struct reply r = serve_chat(&s, "Me, too", NULL, NULL);
    expect_error(&r, 429, "try again", "too many");
    tap_ok(strstr(r.headers, "Retry-After: ") != NULL, "and when to come again");
    reply_free(&r);
    int status = serve_stop(&s, SIGTERM); /* drains */
    pthread_join(busy.thread, NULL);
    tap_ok(status == 0 && strstr(busy.reply.body, "[DONE]"),
           "what has begun is finished at the end");
    reply_free(&busy.reply);
}

static void clients_that_go(void)
{
    struct served s = TINY("--ctx", "4096", "--parallel", "1", "--max-queue", "0");
    char *body = chat_body("Go on and on", NULL, long_answer);
    char *whole = chat_body("Go on and on", NULL, "\"max_tokens\": 100000, \"temperature\": 1");
    struct reply r = serve_ask_part(&s, CHAT, body, 2000, 20000);
    reply_free(&r);
    usleep(500000);
    r = serve_chat(&s, "Me, too", NULL, "\"max_tokens\": 2");
    tap_ok(r.status == 200, "one that goes while its answer is streamed leaves the place: %ld",
           r.status);
    reply_free(&r);
    r = serve_ask_part(&s, CHAT, whole, 0, 300);
    reply_free(&r);
    usleep(500000);
    r = serve_chat(&s, "Me, too", NULL, "\"max_tokens\": 2");
    tap_ok(r.status == 200, "one that goes while it waits, too: %ld", r.status);
    reply_free(&r);
    free(whole);
    free(body);
    struct waiting busy;
    start_waiting(&busy, &s);
    kill(s.pid, SIGTERM);
    usleep(50000);
    int status = serve_stop(&s, SIGTERM);
    pthread_join(busy.thread, NULL);
    tap_ok(status == 0 && strstr(busy.reply.body, "the server is shutting down") &&
               !strstr(busy.reply.body, "\"length\""),
           "a second signal stops what has begun");
    reply_free(&busy.reply);
}

/* -- The built-in model ------------------------------------------------------------------------ */

static void built_in(void)
{
    struct served s = SERVE("--max-new-tokens", "40");
    struct reply r = serve_chat(&s, "Title?", picture(), NULL);
    const struct run *run = DRIVE(NULL, "ask", "--max-new-tokens", "40", "-i", picture(), "Title?");
    char *text = reply_text(&r), *line = strdup(run->out);
    line[strcspn(line, "\n")] = 0;
    tap_ok(text && *text && !strcmp(text, line), "the built-in model answers as ask: %s", line);
    free(text);
    free(line);
    reply_free(&r);
    r = serve_chat(&s, "Hello", NULL, NULL);
    run = DRIVE(NULL, "ask", "Hello");
    text = reply_text(&r);
    tap_ok(text && *text && !strncmp(text, run->out, strlen(text)), "without a picture, too: %s",
           run->out);
    free(text);
    reply_free(&r);
    r = serve_ask(&s, "/v1/models/default", NULL, NULL);
    json_t *body = reply_json(&r);
    tap_ok(json_is_string(json_object_get(body, "id")), "and has a name");
    json_decref(body);
    reply_free(&r);
    tap_ok(serve_stop(&s, SIGTERM) == 0, "SIGTERM ends it");
}

static void whole(void)
{
    struct served s = TINY("--ctx", "4096");
    for (int i = 0; i < N_QUESTIONS; i++) whole_and_streamed(&s, &questions[i]);
    conversation(&s);
    logprobs(&s);
    logprobs_until_stopped(&s);
    cached(&s);
    responses(&s);
    metrics(&s);
    wrong_bodies(&s);
    wrong_paths(&s);
    wrong_pictures(&s);
    too_long(&s);
    struct reply r = serve_ask(&s, "/health", NULL, NULL);
    tap_ok(r.status == 200, "and it is well");
    reply_free(&r);
    tap_ok(serve_stop(&s, SIGTERM) == 0, "it ends when it is told to");
    keys();
    built_in();
}

/* What several threads do, alone: for the thread sanitizer. */
static void side_by_side(void)
{
    struct served s = TINY("--ctx", "4096");
    crowd(&s);
    tap_ok(serve_stop(&s, SIGTERM) == 0, "it ends when it is told to");
    full_queue();
    clients_that_go();
}

int main(int argc, char **argv)
{
    bool threads = argc > 2 && !strcmp(argv[2], "threads");
    snprintf(chart, sizeof chart, "%s/chart.png", getenv("SAMPLES"));
    drive_init(2, argv);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    if (threads)
        side_by_side();
    else
        whole();
    curl_global_cleanup();
    return drive_done();
}
