/* SPDX-License-Identifier: GPL-3.0-or-later
 * A chat server on loopback for tests. It lists one model; what it answers to questions is the
 * test's to say. */
#ifndef TESTS_MOCK_CHAT_H
#define TESTS_MOCK_CHAT_H

#include <jansson.h>
#include <stdatomic.h>

#include "loopback.h"

struct mock_chat;
/* number: of the question, from 1; request: its JSON, NULL when it is none. */
typedef void (*mock_chat_fn)(struct mock_chat *m, struct loopback_request *r, int number,
                             const json_t *request);

struct mock_chat {
    struct loopback *server;
    char url[64];                 // http://127.0.0.1:PORT/v1
    _Atomic(mock_chat_fn) answer; // may be changed between two questions
    _Atomic(mock_chat_fn) models; // the same; NULL: the list with "mock"
    void *user;
    atomic_int n_asked, n_listed, n_now, n_most; // questions: all, at present, most at once
};

void mock_chat_start(struct mock_chat *m, mock_chat_fn answer, void *user);
void mock_chat_stop(struct mock_chat *m);

/* The head of a stream, a piece of its answer, its end. False: the other side has gone. */
bool mock_chat_begin(struct loopback_request *r);
bool mock_chat_say(struct loopback_request *r, const char *text);
bool mock_chat_done(struct loopback_request *r, const char *finish);
/* A whole stream. */
void mock_chat_answer(struct loopback_request *r, const char *text);
/* "more " every 10 ms, for five seconds or until the other side has gone. */
void mock_chat_answer_slowly(struct mock_chat *m, struct loopback_request *r, int number,
                             const json_t *request);
/* Another status, with headers (each with its line end) and a body. */
void mock_chat_status(struct loopback_request *r, int status, const char *headers,
                      const char *body);

#endif
