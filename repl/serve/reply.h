/* SPDX-License-Identifier: GPL-3.0-or-later
 * Answers in the shapes that OpenAI's clients know: chat completions and responses. */
#ifndef SERVE_REPLY_H
#define SERVE_REPLY_H

#include "serve/request.h"
#include "serve/scheduler.h"

/* An answer as it is told. */
struct reply {
    const struct dialect *dialect;
    const phi3v_model *model;
    const char *model_name;
    const struct request *request; // borrowed; its messages may be gone
    char id[48];
    int64_t created;
    size_t n_prompt;
    size_t n_tokens;  // told with their log-probabilities so far
    struct text said; // the text so far, where the dialect says it again at the end
    int n_events;     // of a stream so far
};

/* One way of asking and answering. */
struct dialect {
    const char *id_prefix;
    int (*read)(const json_t *body, const struct settings *defaults, struct request *ret,
                struct serve_error *err);
    /* The whole answer; tokens, taken over: from reply_tokens, or NULL. */
    json_t *(*whole)(const struct reply *r, const char *text, json_t *tokens,
                     const struct generation_end *end);
    /* The events of a stream. */
    void (*begin)(struct reply *r, struct text *out);
    void (*more)(struct reply *r, const char *text, json_t *tokens, struct text *out);
    void (*end)(struct reply *r, const struct generation_end *end, struct text *out);
    void (*fail)(struct reply *r, const struct serve_error *err, struct text *out);
};
extern const struct dialect dialect_chat, dialect_responses;

/* Names the answer and says when it was begun. */
void reply_init(struct reply *r);
void reply_fini(struct reply *r);
/* Tokens with their texts and runners-up, a list. */
json_t *reply_tokens(struct reply *r, const struct generation_token *tokens, size_t n);
/* An event of a stream; name may be NULL; data is taken over. */
void reply_event(struct text *out, const char *name, json_t *data);

#endif
