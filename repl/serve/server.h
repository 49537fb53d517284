/* SPDX-License-Identifier: GPL-3.0-or-later
 * The state that all requests share, and that of one request. */
#ifndef SERVE_SERVER_H
#define SERVE_SERVER_H

#include <microhttpd.h>

#include "serve/conversation.h"
#include "serve/api_keys.h"
#include "serve/scheduler.h"

struct server {
    phi3v_model *model;
    const char *name;                // of the model, for clients
    const char *no_picture;          // the fixed answer to prompts without a picture, or NULL
    const char *mode;                // the mode that notebooks with the model begin in, or NULL
    const struct settings *settings; // defaults for requests
    struct vocabulary *vocabulary;   // of the model, for answers by a schema
    struct scheduler *scheduler;
    struct api_keys keys;
    struct room room;
    int64_t started; // seconds since 1970
    int max_waiting, parallel;
    atomic_bool draining;               // take no new requests
    atomic_int n_calls;                 // requests being answered
    atomic_uint_least64_t n_replies[6]; // by the first digit of their status
};

/* One HTTP request. */
struct call {
    struct server *server;
    struct MHD_Connection *connection;
    const struct route *route;
    double since_s;
    struct text body;
    size_t n_ignored;           // bytes of a refused request's body
    size_t body_bytes;          // taken from the room
    uint64_t client;            // who asks, for the queue
    struct serve_error refused; // status 0: not refused
    /* What the reply needs until the connection is done with it. */
    void *held;
    void (*release)(void *held);
};

/* -- For handlers ------------------------------------------------------------------------------ */

/* Sends the response, which it takes. */
enum MHD_Result call_queue(struct call *c, int status, struct MHD_Response *response);
/* Sends the text, which it takes. */
enum MHD_Result call_reply_text(struct call *c, int status, const char *type, char *text);
/* Sends the object, which it takes. */
enum MHD_Result call_reply(struct call *c, int status, json_t *body);
enum MHD_Result call_refuse(struct call *c, const struct serve_error *err);
/* Frees the body. */
void call_drop_body(struct call *c);
/* Whether the client has closed the connection. */
bool call_gone(const struct call *c);
enum { CALL_TIMEOUT_S = 30, CALL_LOOK_MS = 100 /* how often waiting threads check the client */ };

/* A path and its handler. */
struct route {
    const char *method, *path;
    enum MHD_Result (*answer)(struct call *c);
    bool open; // needs no key
};

/* -- Starting ---------------------------------------------------------------------------------- */

/* Serves the listening socket, which it takes. Errors: MEMORY. */
int http_start(struct server *s, int listening, struct MHD_Daemon **ret, struct phi3v_error *err);

/* -- The handlers ------------------------------------------------------------------------------ */

enum MHD_Result chat_answer(struct call *c);
enum MHD_Result responses_answer(struct call *c);
enum MHD_Result metrics_answer(struct call *c);
enum MHD_Result page_answer(struct call *c);

#endif
