/* SPDX-License-Identifier: MIT
 * Parses what OpenAI-style servers send: a piece of a streamed answer, a whole answer, an error,
 * the list of models. All of it is untrusted, and any field may be missing. */
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
    json_t *json;     // holds the text
    const char *text; // NULL: none
    size_t n_text;
    float logprob; // of the least certain token of the text; NAN: not given
    enum chat_finish finish;
    struct chat_usage usage;
    bool failed; // an error came in place of an answer,
    long status; // with the HTTP status it names; 0: none
    char message[300];
};

/* Reads one event's data or a whole body. False: it is not a chat server's reply. */
bool chat_reply_read(const char *bytes, size_t n, struct chat_reply *ret);
void chat_reply_fini(struct chat_reply *r);

/* Writes the message in an error's body as clean text; "" if there is none. */
void chat_error_text(const char *bytes, size_t n, char *to, size_t size);

struct chat_listed { // one of the models that a server lists
    char *id;        // NULL: the wanted model is missing,
    char *names;     // and this lists some others
    int64_t context; // tokens; 0: not given
    char *mode;      // in which notebooks with it begin, "chat" or "cell"; NULL: not given
    bool reads_tags; // <|image_1|> in a text marks its first picture
};

/* Finds the wanted model (NULL: the first) in a reply from /models. False: it is not a list of
 * models, or there is no memory. */
bool chat_models_find(const char *bytes, size_t n, const char *wanted, struct chat_listed *ret);
void chat_listed_fini(struct chat_listed *l);

#endif
