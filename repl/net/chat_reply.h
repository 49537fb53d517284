/* SPDX-License-Identifier: MIT
 * What OpenAI-style servers say, taken apart: a piece of a streamed answer, a whole answer, an
 * error, the list of models. Everything in it is somebody else's; nothing is trusted to be there. */
#ifndef NET_CHAT_REPLY_H
#define NET_CHAT_REPLY_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum chat_finish { CHAT_UNFINISHED, CHAT_STOP, CHAT_LENGTH };

struct chat_usage {
    bool known;
    int64_t prompt_tokens, cached_tokens, answer_tokens;
};

struct chat_reply {
    json_t *json;     // what the text lies in
    const char *text; // NULL: none
    size_t n_text;
    float logprob; // of the least certain token of the text; NAN: not said
    enum chat_finish finish;
    struct chat_usage usage;
    bool failed; // an error stands in the place of an answer,
    long status; // with the HTTP status that it names; 0: none
    char message[300];
};

/* One event's data or a whole body. False: it is nothing that a chat server says. */
bool chat_reply_read(const char *bytes, size_t n, struct chat_reply *ret);
void chat_reply_fini(struct chat_reply *r);

/* The message of an error's body, as clean text; "" where there is none. */
void chat_error_text(const char *bytes, size_t n, char *to, size_t size);

struct chat_listed { // one of the models that a server lists
    char *id;        // NULL: what was wanted is not there,
    char *names;     // and this is
    int64_t context; // tokens; 0: not said
    char *mode;      // that notebooks with it begin in, "chat" or "cell"; NULL: not said
    bool reads_tags; // <|image_1|> in a text means the first of its pictures
};

/* The model that is wanted (NULL: the first) in what /models says. False: it is no list of models,
 * or there is no memory. */
bool chat_models_find(const char *bytes, size_t n, const char *wanted, struct chat_listed *ret);
void chat_listed_fini(struct chat_listed *l);

#endif
