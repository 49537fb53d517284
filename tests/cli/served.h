/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope serve as a test starts it, and a client for it. */
#ifndef CLI_SERVED_H
#define CLI_SERVED_H

#include <jansson.h>
#include <stdbool.h>
#include <sys/types.h>

struct served {
    pid_t pid;
    char base[80]; // "http://127.0.0.1:40123"
};

/* Starts it with the words behind "serve --port 0", NULL-terminated. */
struct served serve_start(const char *const *words);
#define SERVE(...) serve_start((const char *const[]){__VA_ARGS__, NULL})
/* The signal, then its end: the exit status, -1 when it had to be killed (after 100 s). */
int serve_stop(struct served *s, int signal_number);

struct reply {
    long status; // 0: no connection, or it broke
    char *body;  // NUL-terminated
    size_t n;
    char headers[4096];
};

/* path begins with "/"; body NULL: GET. header: one more, "Name: value", or NULL. */
struct reply serve_ask(const struct served *s, const char *path, const char *body,
                       const char *header);
/* The same, but the client goes away once so many bytes of the answer have come, or after timeout_ms. */
struct reply serve_ask_part(const struct served *s, const char *path, const char *body, size_t n,
                            long timeout_ms);
void reply_free(struct reply *r);
/* The body as JSON; NULL when it is none. json_decref. */
json_t *reply_json(const struct reply *r);
/* What a chat answer says: choices[0].message.content; free. */
char *reply_text(const struct reply *r);
/* The same of a stream, put together; *ret_sound: the events have the right form and order. */
char *reply_streamed(const struct reply *r, bool *ret_sound);

/* {"messages": [{"role": "user", "content": text}], …more, a JSON text without braces or NULL}; with a
 * picture's file, in parts. free. */
char *chat_body(const char *text, const char *picture, const char *more);
/* That body is asked. */
#define CHAT "/v1/chat/completions"
struct reply serve_chat(const struct served *s, const char *text, const char *picture,
                        const char *more);

#endif
