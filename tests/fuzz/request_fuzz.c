/* SPDX-License-Identifier: GPL-3.0-or-later
 * The body of a request, for a chat completion and for a response: read, or refused with a status and a sentence. */
#include <stdlib.h>

#include "fuzz.h"
#include "serve/request.h"

static void check(const struct request *r)
{
    if (r->n_messages == 0 || r->params.max_new_tokens < 0) abort();
    for (size_t i = 0; i < r->n_messages; i++)
        if (!r->messages[i].role || !r->messages[i].text) abort();
}

typedef int (*reader)(const json_t *body, const struct settings *defaults, struct request *ret,
                      struct serve_error *err);

static void read_as(reader read, const json_t *body, const struct settings *defaults)
{
    struct request request;
    struct serve_error err = {0};
    if (!read(body, defaults, &request, &err)) {
        check(&request);
        request_fini(&request);
        return;
    }
    json_t *told = serve_error_json(&err);
    if (err.status < 400 || err.status > 599 || !*err.text || !told) abort();
    json_decref(told);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    struct settings defaults;
    json_t *body = json_loadb((const char *)bytes, n, JSON_REJECT_DUPLICATES, NULL);
    if (!body) return 0;
    if (settings_init(&defaults, NULL)) abort();
    read_as(request_read_chat, body, &defaults);
    read_as(request_read_responses, body, &defaults);
    settings_free(&defaults);
    json_decref(body);
    return 0;
}
