/* SPDX-License-Identifier: MIT
 * Requests to the hub and to the storage behind it: the token, headers that only hubs send,
 * redirects, waits and retries, and an error message for each refusal. */
#ifndef NET_HUB_HTTP_H
#define NET_HUB_HTTP_H

#include <curl/curl.h>
#include <jansson.h>

#include "net/hub.h"

/* The head of a reply. */
struct hub_head {
    long status;
    char commit[65];      /* X-Repo-Commit */
    char etag[130];       /* ETag or X-Linked-ETag, without W/ and quotes */
    bool is_linked;       /* etag is X-Linked-ETag */
    int64_t size;         /* X-Linked-Size, or Content-Length; -1: unknown */
    int64_t from, total;  /* Content-Range; -1: none */
    char code[48];        /* X-Error-Code */
    char message[300];    /* X-Error-Message; not cleaned yet */
    char rate_limit[120]; /* RateLimit */
    double retry_after_s; /* 0: not given */
    char *location;       /* of a redirect, absolute; free */
    char *next;           /* Link: rel="next", absolute; free */
    char body[300];       /* the beginning of a refusal's page */
    size_t n_body;
};

/* Takes one line of a head, with or without its line end. */
void hub_head_take(struct hub_head *head, const char *line, size_t n);
void hub_head_fini(struct hub_head *head);

/* Takes body bytes of a 2xx reply; returns how many it took; fewer end the request. */
typedef size_t (*hub_sink_fn)(const void *bytes, size_t n, const struct hub_head *head, void *user);

struct hub_request {
    const char *url;
    bool head;         /* HEAD, not GET */
    int64_t from, end; /* bytes wanted, end excluded; end 0: all */
    double timeout_s;  /* of the whole request; 0: only stalls end it */
    hub_sink_fn sink;
    void *user;
};

/* One connection, used by one thread. */
struct hub_client {
    const struct hub_env *env;
    CURL *easy;
    CURLM *multi;
    int (*stop)(void *user);                      /* asked ten times a second */
    void (*waiting)(void *user, const char *why); /* why NULL: waiting is over. May be NULL */
    void *user;
    bool is_first; /* the first contact: if the hub cannot be reached, there is no retry */
};

int hub_client_init(struct hub_client *c, const struct hub_env *env, struct phi3v_error *err);
void hub_client_fini(struct hub_client *c);

/* Whether the token may be sent there: to the endpoint, and over https to the hub itself. */
bool hub_is_hub(const struct hub_env *env, const char *url);

/* Sends one request without redirects. head is overwritten, and the caller must fini it. */
CURLcode hub_send(struct hub_client *c, const struct hub_request *r, struct hub_head *head);

/* Whether another try may help; *ret_wait_s: how long to wait first. n_tries have brought no
 * byte. */
bool hub_may_retry(const struct hub_env *env, CURLcode code, const struct hub_head *head,
                   int n_tries, double *ret_wait_s);
/* Waits and reports it; CANCELLED when stopped. */
int hub_wait(struct hub_client *c, double seconds, long status, struct phi3v_error *err);

/* Gets JSON from an address of the API, with retries and redirects within reason. subject:
 * "ORG/NAME", for messages. *ret_next (may be NULL): the next page's address, or NULL. */
int hub_get_json(struct hub_client *c, const char *url, const struct hub_name *subject,
                 json_t **ret, char **ret_next, struct phi3v_error *err);

/* Finds where a file's bytes are at present. url: …/resolve/COMMIT/FILE. *ret_url (free) may be
 * signed, so it is neither shown nor stored. */
int hub_resolve(struct hub_client *c, const char *url, const struct hub_name *subject,
                char **ret_url, struct hub_head *head, struct phi3v_error *err);

/* Sets the error for an outcome that no retry can improve. */
int hub_fail(struct hub_client *c, CURLcode code, const struct hub_head *head,
             const struct hub_name *subject, struct phi3v_error *err);

#endif
