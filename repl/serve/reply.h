/* SPDX-License-Identifier: GPL-3.0-or-later
 * Answers in the shapes of OpenAI's chat completions. */
#ifndef SERVE_REPLY_H
#define SERVE_REPLY_H

#include "serve/request.h"
#include "serve/scheduler.h"

/* An answer as it is told. */
struct reply {
    const phi3v_model *model;
    const char *model_name;
    char id[48];
    int64_t created;
    size_t n_prompt;
    bool logprobs;
    int n_top;
    size_t n_tokens; // told so far
};

/* prefix: of the id, "chatcmpl". */
void reply_init(struct reply *r, const char *prefix);

/* The whole answer. choice: from reply_tokens, or NULL. */
json_t *reply_chat(const struct reply *r, const char *text, json_t *logprobs,
                   const struct work_end *end);
/* A chunk of one that is streamed. text NULL: none; logprobs may be NULL; finish NULL: it goes on. */
json_t *reply_chunk(const struct reply *r, bool first, const char *text, json_t *logprobs,
                    const char *finish);
/* The chunk without choices that tells the usage. */
json_t *reply_usage_chunk(const struct reply *r, const struct work_end *end);
json_t *reply_usage(const struct reply *r, const struct work_end *end);
/* Tokens with their texts and runners-up, a list. */
json_t *reply_tokens(struct reply *r, const struct work_token *tokens, size_t n);
/* "stop", "length"; NULL: it was interrupted. */
const char *reply_finish(const struct work_end *end);

#endif
