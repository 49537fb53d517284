/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "net/chat_reply.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "net/error.h"
#include "term/clean.h"

/* -- Errors ----------------------------------------------------------------------------------- */

/* The message in {"error": {"message"}}, {"error": "…"}, {"message"}, {"detail"} or {"detail":
 * [{"msg"}]}. */
static const json_t *message_of(const json_t *root)
{
    static const char *const names[] = {"error", "message", "detail", "msg"};
    const json_t *at = root;
    for (int depth = 0; depth < 3 && json_is_object(at); depth++) {
        const json_t *next = NULL;
        for (size_t k = 0; k < sizeof names / sizeof *names && !next; k++)
            next = json_object_get(at, names[k]);
        at = json_is_array(next) ? json_array_get(next, 0) : next;
    }
    return json_is_string(at) ? at : NULL;
}

static void copy_message(const json_t *root, char *to, size_t size)
{
    const json_t *message = message_of(root);
    char *clean = message ? clean_string(json_string_value(message), CLEAN_NAME) : NULL;
    size_t n = clean ? strlen(clean) : 0;
    if (n >= size) n = size - 1;
    while (n > 0 && clean[n] && ((unsigned char)clean[n] & 0xC0) == 0x80) n--;
    if (n) memcpy(to, clean, n);
    to[n] = 0;
    free(clean);
}

void chat_error_text(const char *bytes, size_t n, char *to, size_t size)
{
    json_t *root = json_loadb(bytes, n, 0, NULL);
    copy_message(root, to, size);
    json_decref(root);
}

static bool read_error(struct chat_reply *r)
{
    const json_t *error = json_object_get(r->json, "error");
    const json_t *object = json_object_get(r->json, "object");
    bool flat = json_is_string(object) && !strcmp(json_string_value(object), "error");
    if (!flat && !json_object_get(r->json, "choices")) /* llama-server's */
        flat = json_is_string(json_object_get(r->json, "message")) &&
               json_is_integer(json_object_get(r->json, "code"));
    if ((!error || json_is_null(error)) && !flat) return false;
    const json_t *code = json_object_get(flat ? r->json : error, "code");
    json_int_t status = json_is_integer(code) ? json_integer_value(code) : 0;
    r->failed = true;
    r->status = status >= 100 && status < 600 ? (long)status : 0;
    copy_message(r->json, r->message, sizeof r->message);
    return true;
}

/* -- Answers ---------------------------------------------------------------------------------- */

/* Negative or absurdly large counts are treated as missing. */
static int64_t count_of(const json_t *object, const char *name)
{
    const json_t *value = json_object_get(object, name);
    json_int_t n = json_is_integer(value) ? json_integer_value(value) : 0;
    return n > 0 && n < 1000000000 ? (int64_t)n : 0;
}

static void read_usage(struct chat_reply *r)
{
    const json_t *usage = json_object_get(r->json, "usage");
    if (!json_is_object(usage)) return;
    r->usage.known = true;
    r->usage.prompt_tokens = count_of(usage, "prompt_tokens");
    r->usage.answer_tokens = count_of(usage, "completion_tokens");
    r->usage.cached_tokens =
        count_of(json_object_get(usage, "prompt_tokens_details"), "cached_tokens");
    if (r->usage.cached_tokens > r->usage.prompt_tokens)
        r->usage.cached_tokens = r->usage.prompt_tokens;
}

static float least_logprob(const json_t *choice)
{
    const json_t *list = json_object_get(json_object_get(choice, "logprobs"), "content"), *token;
    float least = NAN;
    size_t i;
    json_array_foreach(list, i, token)
    {
        const json_t *value = json_object_get(token, "logprob");
        double x = json_is_number(value) ? json_number_value(value) : 1;
        if (x <= 0 && !(least <= (float)x)) least = (float)x;
    }
    return least;
}

static void read_choice(struct chat_reply *r, const json_t *choice)
{
    const json_t *said = json_object_get(choice, "delta");
    if (!json_is_object(said)) said = json_object_get(choice, "message");
    const json_t *text = json_object_get(said, "content");
    const json_t *finish = json_object_get(choice, "finish_reason");
    if (json_is_string(text)) {
        r->text = json_string_value(text);
        r->n_text = json_string_length(text);
    }
    if (json_is_string(finish))
        r->finish = !strcmp(json_string_value(finish), "length") ? CHAT_LENGTH : CHAT_STOP;
    r->logprob = least_logprob(choice);
}

bool chat_reply_read(const char *bytes, size_t n, struct chat_reply *ret)
{
    *ret = (struct chat_reply){.json = json_loadb(bytes, n, 0, NULL), .logprob = NAN};
    const json_t *choices = json_object_get(ret->json, "choices");
    if (!read_error(ret)) {
        read_choice(ret, json_array_get(choices, 0));
        read_usage(ret);
    }
    if (ret->failed || json_is_array(choices) || ret->usage.known) return true;
    chat_reply_fini(ret);
    return false;
}

void chat_reply_fini(struct chat_reply *r)
{
    json_decref(r->json);
    *r = (struct chat_reply){0};
}

/* -- Models ----------------------------------------------------------------------------------- */

static int64_t context_of(const json_t *model)
{
    const json_t *meta = json_object_get(model, "meta");
    const int64_t said[] = {count_of(model, "max_model_len"), count_of(model, "context_length"),
                            count_of(meta, "n_ctx"), count_of(meta, "n_ctx_train")};
    for (size_t k = 0; k < sizeof said / sizeof *said; k++)
        if (said[k]) return said[k];
    return 0;
}

/* The names of the first few models, for a message. */
static char *names_of(const json_t *list)
{
    enum { MAX_NAMES = 5 };
    char names[200] = "";
    size_t n = 0, i;
    const json_t *model;
    json_array_foreach(list, i, model)
    {
        const char *id = json_string_value(json_object_get(model, "id"));
        if (i < MAX_NAMES && id && n < sizeof names)
            n += (size_t)snprintf(names + n, sizeof names - n, "%s%.60s", n ? ", " : "", id);
    }
    return clean_string(names, CLEAN_NAME);
}

bool chat_models_find(const char *bytes, size_t n, const char *wanted, struct chat_listed *ret)
{
    json_t *root = json_loadb(bytes, n, 0, NULL);
    const json_t *list = json_object_get(root, "data"), *model;
    struct chat_listed l = {0};
    bool good = json_is_array(list);
    size_t i;
    json_array_foreach(list, i, model)
    {
        const char *id = json_string_value(json_object_get(model, "id"));
        const char *owner = json_string_value(json_object_get(model, "owned_by"));
        if (l.id || !good || !id || !*id || (wanted && strcmp(id, wanted) != 0)) continue;
        good = (l.id = strdup(id)) != NULL;
        l.context = context_of(model);
        const char *mode = json_string_value(json_object_get(model, "mode"));
        l.reads_tags = owner && !strcmp(owner, "phiscope");
        if (l.reads_tags && mode && (!strcmp(mode, "chat") || !strcmp(mode, "cell")))
            good = (l.mode = strdup(mode)) != NULL && good;
    }
    if (good && !l.id) good = (l.names = names_of(list)) != NULL;
    json_decref(root);
    if (good)
        *ret = l;
    else
        chat_listed_fini(&l);
    return good;
}

void chat_listed_fini(struct chat_listed *l)
{
    free(l->id);
    free(l->names);
    free(l->mode);
    *l = (struct chat_listed){0};
}
