/* SPDX-License-Identifier: GPL-3.0-or-later
 * Reads the body of a request, before any picture is fetched. */
#ifndef SERVE_REQUEST_H
#define SERVE_REQUEST_H

#include <jansson.h>

#include "notebook/settings.h"
#include "schema/schema.h"
#include "serve/error.h"

/* A turn: its text, and the addresses of its pictures in order of appearance. */
struct message {
    const char *role; // "system", "user", "assistant"
    char *text;
    struct strings pictures;
};

struct request {
    struct message *messages; // [n_messages]
    size_t n_messages;
    char *model; // "": the one that is served
    struct phi3v_params params;
    struct strings stop;
    const char **stop_list; // what params.stop points at
    bool stream, include_usage;
    bool logprobs; // then params.logprobs is at least 1, though n_top may be 0
    int n_top;
    struct schema *schema; // of the answer; NULL: any text
};

/* Reads the body of /v1/chat/completions; `defaults` are for what it leaves out. */
int request_read_chat(const json_t *body, const struct settings *defaults, struct request *ret,
                      struct serve_error *err);
/* Reads the body of /v1/responses, which may hold text and pictures. */
int request_read_responses(const json_t *body, const struct settings *defaults, struct request *ret,
                           struct serve_error *err);
/* Frees the messages early, because pictures in data: addresses are large. */
void request_drop_messages(struct request *r);
void request_fini(struct request *r);

#endif
