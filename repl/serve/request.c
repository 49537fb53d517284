/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serve/request.h"

#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "notebook/source.h"

enum {
    MAX_MESSAGES = 4096,
    MAX_PICTURES = 64, /* in a message */
    MAX_STOPS = 16,
    MAX_TOP = 20
};

static int misfit(struct serve_error *err, const char *key, const char *wanted)
{
    return serve_refuse(err, 400, "invalid_type", key, "%s must be %s", key, wanted);
}

/* A key's value; NULL when it is absent or null. */
static const json_t *get(const json_t *object, const char *key)
{
    const json_t *value = json_object_get(object, key);
    return json_is_null(value) ? NULL : value;
}

/* -- Numbers ----------------------------------------------------------------------------------- */

static int read_flag(const json_t *body, const char *key, bool *ret, struct serve_error *err)
{
    const json_t *value = get(body, key);
    if (!value) return 0;
    if (!json_is_boolean(value)) return misfit(err, key, "true or false");
    *ret = json_is_true(value);
    return 0;
}

static int read_float(const json_t *body, const char *key, float *ret, struct serve_error *err)
{
    const json_t *value = get(body, key);
    if (!value) return 0;
    if (!json_is_number(value)) return misfit(err, key, "a number");
    *ret = (float)json_number_value(value);
    return 0;
}

static int read_int(const json_t *body, const char *key, int min, int max, int *ret,
                    struct serve_error *err)
{
    const json_t *value = get(body, key);
    if (!value) return 0;
    if (!json_is_integer(value)) return misfit(err, key, "a whole number");
    json_int_t n = json_integer_value(value);
    if (n < min || n > max)
        return serve_refuse(err, 400, "invalid_value", key, "%s is %lld; allowed is %d to %d", key,
                            (long long)n, min, max);
    *ret = (int)n;
    return 0;
}

static int read_numbers(const json_t *body, struct request *r, struct serve_error *err)
{
    enum { LONGEST = 1 << 24, MOST_TOP_K = 1 << 24 };
    static const char *const longest[] = {"max_tokens", "max_completion_tokens",
                                          "max_output_tokens"};
    struct phi3v_params *p = &r->params;
    const json_t *seed = get(body, "seed");
    if (seed && !json_is_integer(seed)) return misfit(err, "seed", "a whole number");
    if (seed) p->seed = (uint64_t)json_integer_value(seed);
    int rc = 0;
    for (size_t i = 0; i < sizeof longest / sizeof *longest && !rc; i++)
        rc = read_int(body, longest[i], 1, LONGEST, &p->max_new_tokens, err);
    if (!rc) rc = read_float(body, "temperature", &p->temperature, err);
    if (!rc) rc = read_float(body, "top_p", &p->top_p, err);
    if (!rc) rc = read_float(body, "min_p", &p->min_p, err);
    if (!rc) rc = read_float(body, "repetition_penalty", &p->repetition_penalty, err);
    if (!rc) rc = read_int(body, "top_k", -1, MOST_TOP_K, &p->top_k, err);
    if (p->top_k < 0) p->top_k = 0; // other servers use -1 for off
    return rc;
}

static int read_logprobs(const json_t *body, struct request *r, struct serve_error *err)
{
    int rc = read_flag(body, "logprobs", &r->logprobs, err);
    if (!rc) rc = read_int(body, "top_logprobs", 0, MAX_TOP, &r->n_top, err);
    if (rc) return rc;
    if (r->n_top > 0 && !r->logprobs)
        return serve_refuse(err, 400, "invalid_value", "top_logprobs",
                            "top_logprobs needs logprobs to be true");
    r->params.logprobs = r->logprobs ? (r->n_top > 0 ? r->n_top : 1) : 0;
    return 0;
}

static int add_stop(struct request *r, const json_t *value, struct serve_error *err)
{
    if (!json_is_string(value)) return misfit(err, "stop", "a string or a list of strings");
    if (!*json_string_value(value))
        return serve_refuse(err, 400, "invalid_value", "stop", "a stop string is empty");
    must(strings_add(&r->stop, json_string_value(value)) ? r : NULL);
    return 0;
}

static int read_stop(const json_t *body, struct request *r, struct serve_error *err)
{
    const json_t *value = get(body, "stop");
    if (!value) return 0;
    strings_free(&r->stop);
    if (!json_is_array(value)) return add_stop(r, value, err);
    if (json_array_size(value) > MAX_STOPS)
        return serve_refuse(err, 400, "invalid_value", "stop", "%zu stop strings; at most %d",
                            json_array_size(value), MAX_STOPS);
    int rc = 0;
    for (size_t i = 0; i < json_array_size(value) && !rc; i++)
        rc = add_stop(r, json_array_get(value, i), err);
    return rc;
}

/* Refuses options that would change the answer but are not supported, instead of ignoring them. */
static int refuse_unsupported(const json_t *body, struct serve_error *err)
{
    static const char *const zero[] = {"presence_penalty", "frequency_penalty"};
    static const char *const empty[] = {"tools", "functions", "logit_bias", "audio"};
    static const char *const absent[] = {"previous_response_id", "conversation", "prompt"};
    int n = 1;
    int rc = read_int(body, "n", 1, 1, &n, err);
    for (size_t i = 0; i < sizeof zero / sizeof *zero && !rc; i++) {
        float value = 0;
        rc = read_float(body, zero[i], &value, err);
        if (!rc && value != 0)
            rc = serve_refuse(err, 400, "unsupported_parameter", zero[i],
                              "%s is not supported here; repetition_penalty is", zero[i]);
    }
    for (size_t i = 0; i < sizeof empty / sizeof *empty && !rc; i++) {
        const json_t *value = get(body, empty[i]);
        if (json_array_size(value) > 0 || json_object_size(value) > 0)
            rc = serve_refuse(err, 400, "unsupported_parameter", empty[i],
                              "%s: this model answers with text only", empty[i]);
    }
    for (size_t i = 0; i < sizeof absent / sizeof *absent && !rc; i++)
        if (get(body, absent[i]))
            rc = serve_refuse(err, 400, "unsupported_parameter", absent[i],
                              "%s: nothing is stored here; send the whole conversation", absent[i]);
    return rc;
}

/* Reads {"type": "text"} (the default), "json_object", or "json_schema" with a schema. In responses
 * it has another place, and the schema is one level higher. */
static int read_response_format(const json_t *body, struct request *r, struct serve_error *err)
{
    const json_t *format = get(body, "response_format"), *with = get(format, "json_schema");
    struct phi3v_error why;
    if (!format) with = format = get(get(body, "text"), "format");
    if (!format) return 0;
    const char *type = json_string_value(json_object_get(format, "type"));
    if (type && !strcmp(type, "text")) return 0;
    if (type && !strcmp(type, "json_object"))
        return schema_any_object(&r->schema, &why) ? serve_refuse_as(err, NULL, &why) : 0;
    if (!type || strcmp(type, "json_schema") != 0)
        return serve_refuse(err, 400, "unsupported_parameter", "response_format",
                            "response_format %.60s is not supported; \"text\", \"json_object\" and "
                            "\"json_schema\" are",
                            type ? type : "without a type");
    if (!get(with, "schema")) return misfit(err, "response_format", "a json_schema with a schema");
    if (!schema_compile(get(with, "schema"), &r->schema, &why)) return 0;
    if (why.code == PHI3V_E_MEMORY) return serve_refuse_as(err, NULL, &why);
    return serve_refuse(err, 400, "invalid_schema", "response_format", "%s", why.text);
}

/* -- Messages ---------------------------------------------------------------------------------- */

static int add_text(struct text *to, const json_t *value, const char *param,
                    struct serve_error *err)
{
    struct phi3v_error why;
    char *clean;
    if (!json_is_string(value)) return misfit(err, param, "a string");
    if (source_normalise(json_string_value(value), json_string_length(value), "a message", &clean,
                         &why))
        return serve_refuse_as(err, param, &why);
    if (to->n > 0) text_add(to, "\n");
    text_add(to, clean);
    free(clean);
    return 0;
}

/* Takes {"url": "…"}, or just the address. */
static int add_picture(struct message *m, const json_t *value, const char *param,
                       struct serve_error *err)
{
    const json_t *url = json_is_object(value) ? json_object_get(value, "url") : value;
    if (!json_is_string(url))
        return serve_refuse(err, 400, "invalid_type", param, "image_url must have a url");
    if (m->pictures.n == MAX_PICTURES)
        return serve_refuse(err, 400, "invalid_value", param,
                            "more than %d pictures in one message", MAX_PICTURES);
    must(strings_add(&m->pictures, json_string_value(url)) ? m : NULL);
    return 0;
}

static int read_part(const json_t *part, struct message *m, struct text *text, const char *param,
                     struct serve_error *err)
{
    const char *type = json_string_value(json_object_get(part, "type"));
    if (!type) return serve_refuse(err, 400, "invalid_type", param, "a part has no type");
    if (!strcmp(type, "text") || !strcmp(type, "input_text") || !strcmp(type, "output_text"))
        return add_text(text, json_object_get(part, "text"), param, err);
    if (!strcmp(type, "image_url") || !strcmp(type, "input_image"))
        return add_picture(m, json_object_get(part, "image_url"), param, err);
    return serve_refuse(err, 400, "invalid_value", param,
                        "a part of type \"%.60s\" is neither text nor image_url", type);
}

static int read_content(const json_t *content, struct message *m, const char *param,
                        struct serve_error *err)
{
    struct text text = {0};
    int rc = 0;
    if (json_is_array(content))
        for (size_t i = 0; i < json_array_size(content) && !rc; i++)
            rc = read_part(json_array_get(content, i), m, &text, param, err);
    else if (json_is_string(content))
        rc = add_text(&text, content, param, err);
    else if (content && !json_is_null(content))
        rc = misfit(err, param, "a string or a list of parts");
    m->text = xtake(&text);
    if (!rc && m->pictures.n > 0 && strcmp(m->role, "user") != 0)
        rc = serve_refuse(err, 400, "invalid_value", param, "only user messages can have pictures");
    return rc;
}

static int read_role(const json_t *message, const char **ret, const char *param,
                     struct serve_error *err)
{
    static const char *const roles[][2] = {{"system", "system"},
                                           {"developer", "system"},
                                           {"user", "user"},
                                           {"assistant", "assistant"}};
    const char *role = json_string_value(json_object_get(message, "role"));
    for (size_t i = 0; role && i < sizeof roles / sizeof *roles; i++)
        if (!strcmp(role, roles[i][0])) {
            *ret = roles[i][1];
            return 0;
        }
    return serve_refuse(err, 400, "invalid_value", param,
                        "role \"%.40s\" is none of system, developer, user, assistant",
                        role ? role : "");
}

static int read_message(const json_t *from, size_t i, struct message *m, struct serve_error *err)
{
    char param[40];
    snprintf(param, sizeof param, "messages.%zu", i);
    int rc = read_role(from, &m->role, param, err);
    return rc ? rc : read_content(json_object_get(from, "content"), m, param, err);
}

static struct message *new_message(struct request *r)
{
    r->messages = xgrow(r->messages, r->n_messages + 1, sizeof *r->messages);
    struct message *m = &r->messages[r->n_messages++];
    *m = (struct message){.role = "user"};
    return m;
}

static void add_system(struct request *r, const char *text)
{
    struct message *m = new_message(r);
    m->role = "system";
    m->text = xstrdup(text);
}

/* `usual` is the system turn for requests without one. */
static int read_messages(const json_t *list, const char *key, const char *usual, struct request *r,
                         struct serve_error *err)
{
    size_t n = json_array_size(list);
    if (n == 0) return misfit(err, key, "a list of at least one message");
    if (n > MAX_MESSAGES)
        return serve_refuse(err, 400, "invalid_value", key, "%zu messages; at most %d", n,
                            MAX_MESSAGES);
    const char *role = json_string_value(json_object_get(json_array_get(list, 0), "role"));
    bool own = role && (!strcmp(role, "system") || !strcmp(role, "developer"));
    if (*usual && !own) add_system(r, usual);
    int rc = 0;
    for (size_t i = 0; i < n && !rc; i++)
        rc = read_message(json_array_get(list, i), i, new_message(r), err);
    return rc;
}

static int read_chat_messages(const json_t *body, const struct settings *defaults,
                              struct request *r, struct serve_error *err)
{
    return read_messages(json_object_get(body, "messages"), "messages", defaults->system, r, err);
}

static bool includes(const json_t *list, const char *word)
{
    for (size_t i = 0; i < json_array_size(list); i++) {
        const char *item = json_string_value(json_array_get(list, i));
        if (item && !strcmp(item, word)) return true;
    }
    return false;
}

/* "input" is a text or a list of messages; "instructions" is the system turn. */
static int read_input(const json_t *body, const struct settings *defaults, struct request *r,
                      struct serve_error *err)
{
    const json_t *input = json_object_get(body, "input"), *said = get(body, "instructions");
    if (said && !json_is_string(said)) return misfit(err, "instructions", "a string");
    r->logprobs = includes(get(body, "include"), "message.output_text.logprobs");
    const char *usual = said ? json_string_value(said) : defaults->system;
    if (!json_is_string(input)) return read_messages(input, "input", usual, r, err);
    if (*usual) add_system(r, usual);
    struct message *m = new_message(r);
    return read_content(input, m, "input", err);
}

/* -- The whole --------------------------------------------------------------------------------- */

static int read_model(const json_t *body, struct request *r, struct serve_error *err)
{
    const json_t *model = get(body, "model");
    if (model && !json_is_string(model)) return misfit(err, "model", "a string");
    r->model = xstrdup(model ? json_string_value(model) : "");
    return 0;
}

static int read_stream(const json_t *body, struct request *r, struct serve_error *err)
{
    const json_t *options = get(body, "stream_options");
    int rc = read_flag(body, "stream", &r->stream, err);
    if (!rc && options && !json_is_object(options)) rc = misfit(err, "stream_options", "an object");
    return rc ? rc : read_flag(options, "include_usage", &r->include_usage, err);
}

static void set_defaults(struct request *r, const struct settings *defaults)
{
    const char *none[1] = {NULL};
    const char **list = defaults->stop.n ? xcalloc(defaults->stop.n + 1, sizeof *list) : none;
    settings_params(defaults, &r->params, list);
    must(strings_copy(&r->stop, &defaults->stop) ? r : NULL);
    if (list != none) free(list);
}

/* Makes the list of stop strings that params needs. */
static void point_at_stops(struct request *r)
{
    r->stop_list = xcalloc(r->stop.n + 1, sizeof *r->stop_list);
    for (size_t i = 0; i < r->stop.n; i++) r->stop_list[i] = r->stop.v[i];
    r->params.stop = r->stop.n ? r->stop_list : NULL;
}

typedef int (*messages_fn)(const json_t *body, const struct settings *defaults, struct request *r,
                           struct serve_error *err);

static int read_request(const json_t *body, const struct settings *defaults, messages_fn messages,
                        struct request *ret, struct serve_error *err)
{
    struct request r = {0};
    set_defaults(&r, defaults);
    int rc = json_is_object(body) ? 0 : misfit(err, "the body", "a JSON object");
    if (!rc) rc = read_model(body, &r, err);
    if (!rc) rc = messages(body, defaults, &r, err);
    if (!rc) rc = read_numbers(body, &r, err);
    if (!rc) rc = read_stop(body, &r, err);
    if (!rc) rc = read_logprobs(body, &r, err);
    if (!rc) rc = read_stream(body, &r, err);
    if (!rc) rc = read_response_format(body, &r, err);
    if (!rc) rc = refuse_unsupported(body, err);
    point_at_stops(&r);
    if (rc)
        request_fini(&r);
    else
        *ret = r;
    return rc;
}

int request_read_chat(const json_t *body, const struct settings *defaults, struct request *ret,
                      struct serve_error *err)
{
    return read_request(body, defaults, read_chat_messages, ret, err);
}

int request_read_responses(const json_t *body, const struct settings *defaults, struct request *ret,
                           struct serve_error *err)
{
    return read_request(body, defaults, read_input, ret, err);
}

void request_drop_messages(struct request *r)
{
    for (size_t i = 0; i < r->n_messages; i++) {
        free(r->messages[i].text);
        strings_free(&r->messages[i].pictures);
    }
    free(r->messages);
    r->messages = NULL;
    r->n_messages = 0;
}

void request_fini(struct request *r)
{
    request_drop_messages(r);
    free(r->model);
    strings_free(&r->stop);
    free(r->stop_list);
    schema_free(r->schema);
    *r = (struct request){0};
}
