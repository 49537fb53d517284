/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope serve and response_format: answers that are JSON by a schema, whole and streamed, and what
 * is refused of schemas. */
#define _GNU_SOURCE
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <curl/curl.h>

#include "drive.h"
#include "golden.h"
#include "served.h"

#define SCHEMA(text)                                                                               \
    "\"response_format\": {\"type\": \"json_schema\", \"json_schema\": {\"name\": \"a\", "         \
    "\"strict\": true, \"schema\": " text "}}"

static struct reply ask(const struct served *s, const char *more)
{
    return serve_chat(s, "Which bar is the highest?", NULL, more);
}

static const char *finish_of(const json_t *body)
{
    const json_t *choice = json_array_get(json_object_get(body, "choices"), 0);
    const char *reason = json_string_value(json_object_get(choice, "finish_reason"));
    return reason ? reason : "";
}

static const char bars[] =
    SCHEMA("{\"type\": \"object\", \"properties\": {\"colour\": {\"enum\": [\"red\", \"blue\"]}, "
           "\"height\": {\"type\": \"integer\", \"minimum\": 0, \"maximum\": 99}, \"tags\": "
           "{\"type\": \"array\", \"items\": {\"type\": \"string\", \"maxLength\": 5}, "
           "\"maxItems\": 2}}, \"required\": [\"colour\", \"height\"], "
           "\"additionalProperties\": false}");

/* What the schema says, looked at here. */
static bool is_bar(const char *text)
{
    json_t *value = text ? json_loads(text, JSON_REJECT_DUPLICATES, NULL) : NULL;
    const char *colour = json_string_value(json_object_get(value, "colour"));
    const json_t *height = json_object_get(value, "height"), *tags = json_object_get(value, "tags");
    bool good = colour && (!strcmp(colour, "red") || !strcmp(colour, "blue")) &&
                json_is_integer(height) && json_integer_value(height) >= 0 &&
                json_integer_value(height) <= 99 && (!tags || json_array_size(tags) <= 2) &&
                json_object_size(value) == (tags ? 3 : 2);
    json_decref(value);
    return good;
}

static void by_schema(const struct served *s)
{
    for (int seed = 0; seed < 4; seed++) {
        char more[2000];
        snprintf(more, sizeof more, "\"seed\": %d, \"temperature\": %d, \"max_tokens\": 200, %s",
                 seed, seed, bars);
        struct reply r = ask(s, more);
        json_t *body = reply_json(&r);
        char *text = reply_text(&r);
        if (!tap_ok(is_bar(text) && !strcmp(finish_of(body), "stop"), "an answer by a schema: %s",
                    text ? text : ""))
            tap_note("%ld %.300s", r.status, r.body);
        reply_free(&r);
        strcat(more, ", \"stream\": true");
        r = ask(s, more);
        bool sound;
        char *streamed = reply_streamed(&r, &sound);
        tap_ok(sound && streamed && text && !strcmp(streamed, text), "streamed it is the same");
        free(streamed);
        free(text);
        json_decref(body);
        reply_free(&r);
    }
}

static void cut_short(const struct served *s)
{
    char more[2000];
    snprintf(more, sizeof more, "\"max_tokens\": 3, %s", bars);
    struct reply r = ask(s, more);
    json_t *body = reply_json(&r);
    tap_ok(!strcmp(finish_of(body), "length"), "one that is cut off says \"length\"");
    json_decref(body);
    reply_free(&r);
}

static void any_object(const struct served *s)
{
    struct reply r =
        ask(s, "\"max_tokens\": 60, \"temperature\": 1, \"response_format\": {\"type\": "
               "\"json_object\"}, \"logprobs\": true, \"top_logprobs\": 3");
    json_t *body = reply_json(&r);
    char *text = reply_text(&r);
    json_t *value = text ? json_loads(text, 0, NULL) : NULL;
    bool cut = !strcmp(finish_of(body), "length");
    tap_ok(text && *text == '{' && (cut || json_is_object(value)), "json_object: %s, %s",
           finish_of(body), text ? text : "");
    json_decref(value);
    free(text);
    json_decref(body);
    reply_free(&r);
}

/* Cells of another phiscope say what they want of an answer, too. */
static void connected(const struct served *s)
{
    static const char schema[] = "{\"type\": \"array\", \"items\": {\"type\": \"integer\"}, "
                                 "\"minItems\": 2, \"maxItems\": 2}";
    char url[100];
    snprintf(url, sizeof url, "%s/v1", s->base);
    const struct run *run =
        DRIVE(NULL, "ask", "--connect", url, "--json-schema", schema, "How many?");
    json_t *value = json_loads(run->out, 0, NULL);
    if (!tap_ok(run->status == 0 && json_array_size(value) == 2, "ask --connect: %s", run->out))
        tap_note("%s", run->err);
    json_decref(value);
}

static void refused(const struct served *s)
{
    static const struct {
        const char *more, *says;
    } wrong[] = {
        {SCHEMA("{\"properties\": {\"a\": {\"not\": {}}}}"), "\"not\" is not supported"},
        {SCHEMA("{\"properties\": {\"a\": {\"not\": {}}}}"), "#/properties/a"},
        {SCHEMA("{\"type\": \"strnig\"}"), "\"type\" is one of"},
        {SCHEMA("7"), "neither an object"},
        {"\"response_format\": {\"type\": \"json_schema\"}", "json_schema with a schema"},
        {"\"response_format\": {\"type\": \"xml\"}", "xml is not supported"},
        {"\"response_format\": {}", "without a type"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct reply r = ask(s, wrong[i].more);
        json_t *body = reply_json(&r);
        const json_t *error = json_object_get(body, "error");
        const char *says = json_string_value(json_object_get(error, "message"));
        const char *param = json_string_value(json_object_get(error, "param"));
        if (!tap_ok(r.status == 400 && says && strstr(says, wrong[i].says) && param &&
                        !strcmp(param, "response_format"),
                    "refused: %s", says ? says : ""))
            tap_note("%ld %.300s", r.status, r.body);
        json_decref(body);
        reply_free(&r);
    }
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    const char *model = drive_golden("models/tiny-gqa-bf16");
    struct served s = SERVE("-m", model);
    by_schema(&s);
    cut_short(&s);
    any_object(&s);
    refused(&s);
    connected(&s);
    tap_ok(serve_stop(&s, SIGTERM) == 0, "it ends when it is told to");
    curl_global_cleanup();
    return drive_done();
}
