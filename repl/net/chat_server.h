/* SPDX-License-Identifier: MIT
 * The servers behind chat.h: their addresses, what they serve, and which to ask next. */
#ifndef NET_CHAT_SERVER_H
#define NET_CHAT_SERVER_H

#include <curl/curl.h>

#include "net/chat.h"

struct chat_server {
    char *base;  // address without a final slash
    char *name;  // for people
    char *proxy; // NULL: none
    bool tls;
    bool guarded;   // a connection to the public network was refused: the key would be readable
    int n_calls;    // in flight
    int n_failed;   // in a row
    double ready_s; // not asked before this time on the clock
};

/* Fields of a request that some servers refuse; once a server has refused one, it is left out or
 * renamed. */
enum { CHAT_N_OPTIONAL = 3 };
struct chat_optional {
    const char *field, *instead; // NULL: nothing
};
extern const struct chat_optional chat_optional[CHAT_N_OPTIONAL];

struct chat {
    struct chat_server *servers; // [n]
    int n;
    char *model, *mode, *name, *key, *note;
    int64_t context;
    bool reads_tags;
    double backoff_s;
    long silence_s;
    bool refuses[CHAT_N_OPTIONAL];
    CURLM *multi;
    struct chat_call *calls; // all that were begun and not ended
};

/* Adds the servers named in the options. Errors: ARGUMENT, DEVICE (offline), MEMORY. */
int chat_servers_add(struct chat *c, const struct chat_options *opt, struct phi3v_error *err);
/* Prepares a request to server k: its address, headers with the key, and which addresses may be
 * connected. *ret_headers is to be freed after the request. False without memory. */
bool chat_server_setup(struct chat *c, int k, const char *path, CURL *easy,
                       struct curl_slist **ret_headers);
/* The server to ask now; -1: none until *ret_ready_s. */
int chat_server_pick(const struct chat *c, double *ret_ready_s);
/* How long to wait before asking a server again that failed; 0 if it named a time itself. */
double chat_backoff_s(const struct chat *c, int n_failed);
/* Sets the error for a status without an answer. message: the server's own text, or "". */
int chat_status_fail(const char *name, long status, const char *message, const char *location,
                     bool has_key, struct phi3v_error *err);
/* Sets the error for a transfer that failed. */
int chat_transfer_fail(struct chat_server *s, CURL *easy, CURLcode code, int64_t n,
                       struct phi3v_error *err);

#endif
