/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope ask --json-schema: answers that are JSON by a schema, ones that are cut off, and what is
 * refused. */
#define _POSIX_C_SOURCE 200809L
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#include "drive.h"
#include "golden.h"

static const char *model(void) { return drive_golden("models/tiny-gqa-bf16"); }

#define ASK(schema, ...)                                                                           \
    DRIVE(NULL, "ask", "-m", model(), "--json-schema", schema, __VA_ARGS__, "What is it?")

static const char bars[] =
    "{\"type\": \"object\", \"properties\": {\"colour\": {\"enum\": [\"red\", "
    "\"blue\"]}, \"height\": {\"type\": \"integer\", \"minimum\": 0}}, "
    "\"required\": [\"colour\", \"height\"]}";

static bool is_bar(const char *text)
{
    json_t *value = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    const char *colour = json_string_value(json_object_get(value, "colour"));
    bool good = colour && (!strcmp(colour, "red") || !strcmp(colour, "blue")) &&
                json_integer_value(json_object_get(value, "height")) >= 0 &&
                json_is_integer(json_object_get(value, "height")) && json_object_size(value) == 2;
    json_decref(value);
    return good;
}

static void answers(void)
{
    const char *file = drive_write("bars.json", bars);
    const struct run *run = ASK(file, "--temperature", "1", "--seed", "3");
    char *first = strdup(run->out);
    tap_ok(run->status == 0 && is_bar(run->out), "an answer by the schema of a file: %s", run->out);
    run = ASK(bars, "--temperature", "1", "--seed", "3");
    tap_ok(run->status == 0 && !strcmp(run->out, first), "by the same schema as it is written");
    ASK(bars, "--json", "--temperature", "1", "--seed", "3");
    json_t *line = drive_json(0);
    const char *text = json_string_value(json_object_get(line, "text"));
    const char *finish = json_string_value(json_object_get(line, "finish_reason"));
    tap_ok(text && is_bar(text) && !strncmp(text, first, strlen(text)) && finish &&
               !strcmp(finish, "stop"),
           "--json says the same");
    json_decref(line);
    free(first);
}

static void cut_off(void)
{
    const struct run *run = ASK(bars, "--max-new-tokens", "2");
    tap_ok(run->status == 1 && strstr(run->err, "cut off before its JSON is complete"),
           "one that is cut off says so: %s", run->err);
    run = ASK(bars, "--json", "--max-new-tokens", "2");
    json_t *line = drive_json(0);
    const char *finish = json_string_value(json_object_get(line, "finish_reason"));
    tap_ok(run->status == 1 && finish && !strcmp(finish, "length"), "with --json, too");
    json_decref(line);
}

static void refused(void)
{
    static const struct {
        const char *schema, *says;
    } wrong[] = {
        {"{\"type\": \"object\", \"if\": {}}", "\"if\" is not supported"},
        {"{\"items\": {\"contains\": {}}}", "#/items"},
        {"{\"type\": ", "is not JSON"},
        {"no-such-file.json", "no-such-file.json"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        const struct run *run = ASK(wrong[i].schema, "--plain");
        tap_ok(run->status == 4 && !*run->out && strstr(run->err, wrong[i].says), "refused: %s",
               run->err);
    }
    const struct run *run = DRIVE("hello\n", "script", "--json-schema", "a", "-");
    tap_ok(run->status == 2 && strstr(run->err, "json-schema"), "for ask alone: %s", run->err);
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    answers();
    cut_off();
    refused();
    return drive_done();
}
