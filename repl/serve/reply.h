/* SPDX-License-Identifier: GPL-3.0-or-later
 * Replies in the two formats of OpenAI's interface: chat completions and responses. */
#ifndef SERVE_REPLY_H
#define SERVE_REPLY_H

#include "serve/request.h"
#include "serve/scheduler.h"

/* The reply to one request. */
struct reply {
    const struct dialect *dialect;
    const phi3v_model *model;
    const char *model_name;
    const struct request *request; // borrowed; its messages may have been dropped
    char id[48];
    int64_t created;
    size_t n_prompt;
    size_t n_tokens;  // reported with log-probabilities so far
    struct text said; // the text so far, for a dialect that repeats it at the end
    int n_events;     // of a stream so far
};

/* One format of requests and replies. */
struct dialect {
    const char *id_prefix;
    int (*read)(const json_t *body, const struct settings *defaults, struct request *ret,
                struct serve_error *err);
    /* The reply to a request without a stream. tokens (taken) is from reply_tokens, or NULL. */
    json_t *(*whole)(const struct reply *r, const char *text, json_t *tokens,
                     const struct generation_end *end);
    /* The events of a stream. */
    void (*begin)(struct reply *r, struct text *out);
    void (*more)(struct reply *r, const char *text, json_t *tokens, struct text *out);
    void (*end)(struct reply *r, const struct generation_end *end, struct text *out);
    void (*fail)(struct reply *r, const struct serve_error *err, struct text *out);
};
extern const struct dialect dialect_chat, dialect_responses;

/* Sets the reply's id and its time of creation. */
void reply_init(struct reply *r);
void reply_fini(struct reply *r);
/* The list of tokens with their texts, log-probabilities and alternatives. */
json_t *reply_tokens(struct reply *r, const struct generation_token *tokens, size_t n);
/* Adds an event of a stream; name may be NULL; takes data. */
void reply_event(struct text *out, const char *name, json_t *data);

#endif
