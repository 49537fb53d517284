/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "mock_chat.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { MAX_BODY = 64 << 20 };

static json_t *read_body(struct loopback_request *r)
{
    char length[32];
    if (!loopback_header(r, "Content-Length", length, sizeof length)) return NULL;
    size_t n = (size_t)strtoul(length, NULL, 10);
    if (n > MAX_BODY) return NULL;
    char *bytes = malloc(n + 1);
    const char *begun = strstr(r->head, "\r\n\r\n") + 4;
    size_t have = strlen(begun) < n ? strlen(begun) : n;
    if (!bytes) abort();
    memcpy(bytes, begun, have);
    while (have < n) {
        ssize_t k = recv(r->fd, bytes + have, n - have, 0);
        if (k <= 0) break;
        have += (size_t)k;
    }
    json_t *request = have == n ? json_loadb(bytes, n, 0, NULL) : NULL;
    free(bytes);
    return request;
}

static void count(struct mock_chat *m)
{
    int now = atomic_fetch_add(&m->n_now, 1) + 1, most = atomic_load(&m->n_most);
    while (now > most && !atomic_compare_exchange_weak(&m->n_most, &most, now)) continue;
}

static void serve(struct loopback_request *r, void *user)
{
    struct mock_chat *m = user;
    if (!strcmp(r->method, "GET") && !strcmp(r->path, "/v1/models")) {
        int number = atomic_fetch_add(&m->n_listed, 1) + 1;
        mock_chat_fn models = atomic_load(&m->models);
        if (models)
            models(m, r, number, NULL);
        else
            mock_chat_status(r, 200, "",
                             "{\"object\":\"list\",\"data\":[{\"id\":\"mock\",\"max_model_len\":"
                             "4096},{\"id\":\"other\"}]}");
        return;
    }
    if (strcmp(r->method, "POST") != 0 || strcmp(r->path, "/v1/chat/completions") != 0) {
        mock_chat_status(r, 404, "", "{\"detail\":\"Not Found\"}");
        return;
    }
    json_t *request = read_body(r);
    count(m);
    mock_chat_fn answer = atomic_load(&m->answer);
    answer(m, r, atomic_fetch_add(&m->n_asked, 1) + 1, request);
    atomic_fetch_sub(&m->n_now, 1);
    json_decref(request);
}

void mock_chat_start(struct mock_chat *m, mock_chat_fn answer, void *user)
{
    *m = (struct mock_chat){.answer = answer, .user = user};
    m->server = loopback_start(serve, m);
    snprintf(m->url, sizeof m->url, "http://127.0.0.1:%d/v1", loopback_port(m->server));
}

void mock_chat_stop(struct mock_chat *m)
{
    if (m->server) loopback_stop(m->server);
    m->server = NULL;
}

bool mock_chat_begin(struct loopback_request *r)
{
    return loopback_sendf(r, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
                             "Connection: close\r\n\r\n");
}

static bool send_event(struct loopback_request *r, json_t *event)
{
    char *text = json_dumps(event, JSON_COMPACT);
    bool sent = loopback_sendf(r, "data: %s\n\n", text);
    free(text);
    json_decref(event);
    return sent;
}

bool mock_chat_say(struct loopback_request *r, const char *text)
{
    return send_event(r,
                      json_pack("{s:s,s:[{s:i,s:{s:s},s:n}]}", "object", "chat.completion.chunk",
                                "choices", "index", 0, "delta", "content", text, "finish_reason"));
}

bool mock_chat_done(struct loopback_request *r, const char *finish)
{
    return send_event(r, json_pack("{s:[{s:i,s:{},s:s}]}", "choices", "index", 0, "delta",
                                   "finish_reason", finish)) &&
           send_event(r, json_pack("{s:[],s:{s:i,s:i,s:{s:i}}}", "choices", "usage",
                                   "prompt_tokens", 12, "completion_tokens", 3,
                                   "prompt_tokens_details", "cached_tokens", 4)) &&
           loopback_sendf(r, "data: [DONE]\n\n");
}

void mock_chat_answer_slowly(struct mock_chat *m, struct loopback_request *r, int number,
                             const json_t *request)
{
    (void)m, (void)number, (void)request;
    mock_chat_begin(r);
    for (int k = 0; k < 500 && mock_chat_say(r, "more "); k++) usleep(10000);
}

void mock_chat_answer(struct loopback_request *r, const char *text)
{
    if (mock_chat_begin(r) && mock_chat_say(r, text)) mock_chat_done(r, "stop");
}

void mock_chat_status(struct loopback_request *r, int status, const char *headers, const char *body)
{
    loopback_sendf(r,
                   "HTTP/1.1 %d Said\r\nContent-Type: application/json\r\n%sContent-Length: %zu\r\n"
                   "Connection: close\r\n\r\n%s",
                   status, headers, strlen(body), body);
}
