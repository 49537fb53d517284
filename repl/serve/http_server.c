/* SPDX-License-Identifier: GPL-3.0-or-later
 * Receives requests, checks them, and routes each path to its handler. Every connection has its own
 * thread, which may block. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>

#include "common/clock.h"
#include "common/json.h"
#include "common/must.h"
#include "serve/server.h"

enum {
    MAX_BODY = 64 << 20,
    MAX_IGNORED_BODY = 1 << 20, /* read of a refused request's body, or the client sees no reply */
    MAX_UPLOAD_S = 300,
    MORE_CONNECTIONS = 64 /* in addition to those that can wait for an answer */
};

/* -- Replies ----------------------------------------------------------------------------------- */

enum MHD_Result call_queue(struct call *c, int status, struct MHD_Response *response)
{
    atomic_fetch_add(&c->server->n_replies[status / 100], 1);
    enum MHD_Result result = MHD_queue_response(c->connection, (unsigned)status, response);
    MHD_destroy_response(response);
    return result;
}

enum MHD_Result call_reply_text(struct call *c, int status, const char *type, char *text)
{
    struct MHD_Response *r =
        must(MHD_create_response_from_buffer(strlen(text), text, MHD_RESPMEM_MUST_FREE));
    char wait[16];
    MHD_add_response_header(r, "Content-Type", type);
    MHD_add_response_header(r, "Cache-Control", "no-store");
    MHD_add_response_header(r, "X-Content-Type-Options", "nosniff");
    if (status == 401) MHD_add_response_header(r, "WWW-Authenticate", "Bearer");
    if (status == 405) MHD_add_response_header(r, "Allow", c->route->method);
    if (status == 429 || status == 503) {
        snprintf(wait, sizeof wait, "%d", scheduler_retry_after(c->server->scheduler));
        MHD_add_response_header(r, "Retry-After", wait);
    }
    if (atomic_load(&c->server->draining)) MHD_add_response_header(r, "Connection", "close");
    return call_queue(c, status, r);
}

enum MHD_Result call_reply(struct call *c, int status, json_t *body)
{
    char *text = must(json_line(body));
    json_decref(body);
    return call_reply_text(c, status, "application/json; charset=utf-8", text);
}

enum MHD_Result call_refuse(struct call *c, const struct serve_error *err)
{
    return call_reply(c, err->status, serve_error_json(err));
}

void call_drop_body(struct call *c)
{
    text_free(&c->body);
    room_give(&c->server->room, c->body_bytes);
    c->body_bytes = 0;
}

bool call_gone(const struct call *c)
{
    char byte;
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    ssize_t n = recv(info->connect_fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

/* -- Small answers ----------------------------------------------------------------------------- */

static enum MHD_Result health_answer(struct call *c)
{
    if (!atomic_load(&c->server->draining))
        return call_reply(c, 200, json_pack("{s:s}", "status", "ok"));
    struct serve_error err;
    serve_refuse(&err, 503, "server_ends", NULL, "the server is shutting down");
    return call_refuse(c, &err);
}

static json_t *model_json(const struct server *s)
{
    return json_pack("{s:s,s:s,s:I,s:s,s:I,s:s*}", "id", s->name, "object", "model", "created",
                     (json_int_t)s->started, "owned_by", "phiscope", "max_model_len",
                     (json_int_t)phi3v_model_info(s->model)->ctx, "mode", s->mode);
}

static enum MHD_Result models_answer(struct call *c)
{
    return call_reply(c, 200,
                      json_pack("{s:s,s:[o]}", "object", "list", "data", model_json(c->server)));
}

static enum MHD_Result model_answer(struct call *c)
{
    return call_reply(c, 200, model_json(c->server));
}

/* -- Where to ---------------------------------------------------------------------------------- */

static const struct route routes[] = {{"GET", "/", page_answer, true},
                                      {"GET", "/health", health_answer, true},
                                      {"GET", "/v1/models", models_answer, false},
                                      {"GET", "/metrics", metrics_answer, false},
                                      {"POST", "/v1/chat/completions", chat_answer, false},
                                      {"POST", "/v1/responses", responses_answer, false}};
static const struct route model_route = {"GET", "/v1/models/", model_answer, false};

static bool is_method(const char *wanted, const char *method)
{
    return !strcmp(wanted, method) || (!strcmp(wanted, "GET") && !strcmp(method, "HEAD"));
}

/* Clients are often given the server's address without its /v1. */
static bool lacks_v1(const char *path)
{
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (!strncmp(routes[i].path, "/v1", 3) && !strcmp(routes[i].path + 3, path)) return true;
    return false;
}

static int find_route(struct call *c, const char *method, const char *path, struct serve_error *err)
{
    size_t n = strlen(model_route.path);
    if (!strncmp(path, model_route.path, n) && !strcmp(path + n, c->server->name))
        c->route = &model_route;
    for (size_t i = 0; i < sizeof routes / sizeof *routes; i++)
        if (!strcmp(routes[i].path, path)) c->route = &routes[i];
    if (!c->route)
        return serve_refuse(err, 404, "not_found", NULL, "there is nothing at %.200s%s", path,
                            lacks_v1(path) ? "; a client's base address must end in /v1" : "");
    if (is_method(c->route->method, method)) return 0;
    return serve_refuse(err, 405, "method_not_allowed", NULL, "%.100s takes %s, not %.20s", path,
                        c->route->method, method);
}

/* -- Checks before the body -------------------------------------------------------------------- */

static const char *header(const struct call *c, const char *name)
{
    return MHD_lookup_connection_value(c->connection, MHD_HEADER_KIND, name);
}

/* The length of the host in "localhost:8080" or "[::1]:8080". */
static size_t host_length(const char *host)
{
    if (*host == '[') return strcspn(host, "]") + (strchr(host, ']') != NULL);
    return strcspn(host, ":");
}

static bool is_local_name(const char *host)
{
    static const char *const names[] = {"localhost", "[::1]"};
    size_t n = host_length(host);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (n == strlen(names[i]) && !strncasecmp(host, names[i], n)) return true;
    return !strncmp(host, "127.", 4) && strspn(host, "0123456789.") == n;
}

/* A page of another site must not use this server through the browser of somebody who reads it: not
 * by a host name of its own that resolves to this machine, and not by a cross-site request. With
 * API keys there is no need to check, as the page has none. */
static int check_origin(const struct call *c, struct serve_error *err)
{
    const char *host = header(c, "Host"), *origin = header(c, "Origin");
    if (c->server->keys.n > 0) return 0;
    if (host && !is_local_name(host))
        return serve_refuse(err, 403, "wrong_host", NULL,
                            "the host %.100s is not localhost, the only one allowed without keys",
                            host);
    const char *from = origin ? strstr(origin, "://") : NULL;
    if (!origin || (from && host && !strcasecmp(from + 3, host))) return 0;
    return serve_refuse(err, 403, "wrong_origin", NULL, "pages of %.100s may not use this server",
                        origin);
}

static uint64_t address_of(const struct call *c)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(c->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    const struct sockaddr *a = info->client_addr;
    const unsigned char *bytes = (const unsigned char *)a->sa_data;
    size_t from = 2, to = a->sa_family == AF_INET6 ? 22 : 6; /* leave out the port's field */
    uint64_t hash = 14695981039346656037u;
    for (size_t i = from; i < to; i++) hash = (hash ^ bytes[i]) * 1099511628211u;
    return hash;
}

static int check_key(struct call *c, struct serve_error *err)
{
    const struct api_keys *keys = &c->server->keys;
    if (keys->n == 0) {
        c->client = address_of(c);
        return 0;
    }
    const char *given = header(c, "Authorization");
    int key = api_keys_find(keys, given);
    c->client = (uint64_t)key;
    if (key >= 0 || c->route->open) return 0;
    return serve_refuse(err, 401, "invalid_api_key", NULL,
                        given ? "the API key is not one of this server's"
                              : "an API key is needed: Authorization: Bearer KEY");
}

static int refuse_body(struct serve_error *err)
{
    return serve_refuse(err, 413, "request_too_large", NULL, "a request may have at most %d MiB",
                        MAX_BODY >> 20);
}

static int check_head(struct call *c, const char *method, const char *path, struct serve_error *err)
{
    const char *length = header(c, "Content-Length");
    int rc = check_origin(c, err);
    if (!rc) rc = find_route(c, method, path, err);
    if (!rc) rc = check_key(c, err);
    if (!rc && length && strtoull(length, NULL, 10) > MAX_BODY) rc = refuse_body(err);
    if (!rc && !strcmp(method, "POST") && atomic_load(&c->server->draining))
        rc = serve_refuse(err, 503, "server_ends", NULL, "the server is shutting down");
    return rc;
}

/* -- The body ---------------------------------------------------------------------------------- */

static bool take_body(struct call *c, const char *bytes, size_t n)
{
    if (c->refused.status) return (c->n_ignored += n) <= MAX_IGNORED_BODY;
    if (now_s() - c->since_s > MAX_UPLOAD_S) return false;
    if (c->body.n + n > MAX_BODY) {
        refuse_body(&c->refused);
    } else if (!room_take(&c->server->room, n)) {
        serve_refuse(&c->refused, 429, "server_busy", NULL,
                     "other requests fill the memory: try again a little later");
    } else {
        c->body_bytes += n;
        text_addn(&c->body, bytes, n);
        if (c->body.failed)
            serve_refuse(&c->refused, 503, "memory", NULL, "no memory for the request");
    }
    if (c->refused.status) call_drop_body(c);
    return true;
}

/* -- A request's life -------------------------------------------------------------------------- */

static bool body_is_long(const struct call *c)
{
    const char *length = header(c, "Content-Length");
    if (length) return strtoull(length, NULL, 10) > MAX_IGNORED_BODY;
    return header(c, "Transfer-Encoding") != NULL;
}

static enum MHD_Result begin(struct call *c, const char *method, const char *path)
{
    c->since_s = now_s();
    check_head(c, method, path, &c->refused);
    return c->refused.status && body_is_long(c) ? call_refuse(c, &c->refused) : MHD_YES;
}

/* Lifts the connection's timeout, because it is silent while an answer is made. */
static enum MHD_Result answer(struct call *c)
{
    if (c->refused.status) return call_refuse(c, &c->refused);
    MHD_set_connection_option(c->connection, MHD_CONNECTION_OPTION_TIMEOUT, 0u);
    enum MHD_Result result = c->route->answer(c);
    MHD_set_connection_option(c->connection, MHD_CONNECTION_OPTION_TIMEOUT,
                              (unsigned)CALL_TIMEOUT_S);
    return result;
}

static enum MHD_Result on_request(void *user, struct MHD_Connection *connection, const char *path,
                                  const char *method, const char *version, const char *bytes,
                                  size_t *n_bytes, void **state)
{
    struct call *c = *state;
    (void)user, (void)version;
    if (c->connection) {
        if (*n_bytes == 0) return answer(c);
        bool goes_on = take_body(c, bytes, *n_bytes);
        *n_bytes = 0;
        return goes_on ? MHD_YES : MHD_NO;
    }
    c->connection = connection;
    return begin(c, method, path);
}

/* Called first for every request; on_completed always gets what it returns. */
static void *on_uri(void *user, const char *uri, struct MHD_Connection *connection)
{
    struct call *c = xcalloc(1, sizeof *c);
    (void)uri, (void)connection;
    c->server = user;
    atomic_fetch_add(&c->server->n_calls, 1);
    return c;
}

static void on_completed(void *user, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode how)
{
    struct call *c = *state;
    (void)user, (void)connection, (void)how;
    if (!c) return;
    if (c->release) c->release(c->held);
    call_drop_body(c);
    atomic_fetch_sub(&c->server->n_calls, 1);
    free(c);
    *state = NULL;
}

int http_start(struct server *s, int listening, struct MHD_Daemon **ret, struct phi3v_error *err)
{
    enum { BUFFER = 128 << 10 };
    unsigned connections = (unsigned)(s->max_waiting + s->parallel + MORE_CONNECTIONS);
    unsigned flags = MHD_USE_THREAD_PER_CONNECTION | MHD_USE_INTERNAL_POLLING_THREAD |
                     MHD_USE_POLL | MHD_USE_ITC;
    struct MHD_Daemon *daemon =
        MHD_start_daemon(flags, 0, NULL, NULL, on_request, s, MHD_OPTION_LISTEN_SOCKET, listening,
                         MHD_OPTION_URI_LOG_CALLBACK, on_uri, s, MHD_OPTION_NOTIFY_COMPLETED,
                         on_completed, s, MHD_OPTION_CONNECTION_LIMIT, connections,
                         MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)CALL_TIMEOUT_S,
                         MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)BUFFER, MHD_OPTION_END);
    if (!daemon) return refuse(err, PHI3V_E_MEMORY, "the HTTP server cannot be started");
    *ret = daemon;
    return 0;
}
