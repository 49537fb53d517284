/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "net/chat_server.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include "net/address.h"
#include "net/limits.h"
#include "net/proxy.h"
#include "net/transfer.h"
#include "net/url.h"
#include "term/clean.h"

const struct chat_optional chat_optional[CHAT_N_OPTIONAL] = {
    {"logprobs", NULL}, {"stream_options", NULL}, {"max_tokens", "max_completion_tokens"}};

/* -- Addresses -------------------------------------------------------------------------------- */

/* People paste the address of the server, of its /v1, or of an endpoint below that. */
static char *base_of(CURLU *parts)
{
    static const char *const endings[] = {"/chat/completions", "/models", "/"};
    char *path = NULL, *text = NULL;
    if (curl_url_get(parts, CURLUPART_PATH, &path, 0) != CURLUE_OK) return NULL;
    size_t n = strlen(path), before;
    do {
        before = n;
        for (size_t k = 0; k < sizeof endings / sizeof *endings; k++) {
            size_t n_ending = strlen(endings[k]);
            if (n >= n_ending && !memcmp(path + n - n_ending, endings[k], n_ending))
                path[n -= n_ending] = 0;
        }
    } while (n < before);
    CURLUcode rc = curl_url_set(parts, CURLUPART_PATH, n ? path : "/v1", 0);
    char *base = NULL;
    if (rc == CURLUE_OK && curl_url_get(parts, CURLUPART_URL, &text, 0) == CURLUE_OK)
        base = strdup(text);
    curl_free(text);
    curl_free(path);
    return base;
}

static bool has_part(CURLU *parts, CURLUPart what)
{
    char *text = NULL;
    bool there = curl_url_get(parts, what, &text, 0) == CURLUE_OK && text;
    curl_free(text);
    return there;
}

static int read_parts(CURLU *parts, const char *shown, struct chat_server *s,
                      const struct chat_options *opt, struct phi3v_error *err)
{
    char *scheme = NULL, *host = NULL;
    if (has_part(parts, CURLUPART_USER) || has_part(parts, CURLUPART_PASSWORD) ||
        has_part(parts, CURLUPART_QUERY))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%s: an engine's address has neither a name and password nor a query; a "
                      "key comes from PHISCOPE_API_KEY or --api-key-file",
                      shown);
    int rc = 0;
    if (curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_HOST, &host, CURLU_PUNYCODE) == CURLUE_OK) {
        s->tls = !strcmp(scheme, "https");
        s->proxy = proxy_for(scheme, host);
        if (opt->offline && !address_host_is_private(host))
            rc = refuse(err, PHI3V_E_DEVICE, "%s is not asked: --offline is on", shown);
    }
    curl_free(scheme);
    curl_free(host);
    s->base = rc ? NULL : base_of(parts);
    s->name = s->base ? clean_string(s->base, CLEAN_NAME) : NULL;
    return rc || s->name ? rc : net_fail_memory(err, shown);
}

static int add_server(struct chat *c, const char *url, const struct chat_options *opt,
                      struct phi3v_error *err)
{
    struct chat_server *v = realloc(c->servers, (size_t)(c->n + 1) * sizeof *v);
    if (!v) return net_fail_memory(err, "an engine");
    c->servers = v;
    v[c->n] = (struct chat_server){0};
    char *safe = url_without_secrets(url, NULL);
    char *shown = safe ? clean_string(safe, CLEAN_NAME) : NULL;
    CURLU *parts = curl_url();
    int rc = shown && parts ? 0 : net_fail_memory(err, "an engine");
    if (!rc && (!url_is_http(url) || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK))
        rc = refuse(err, PHI3V_E_ARGUMENT,
                    "\"%.200s\" is no address of an engine: http://HOST:PORT/v1 is one", shown);
    if (!rc) rc = read_parts(parts, shown, &v[c->n], opt, err);
    c->n++;
    curl_url_cleanup(parts);
    free(safe);
    free(shown);
    return rc;
}

int chat_servers_add(struct chat *c, const struct chat_options *opt, struct phi3v_error *err)
{
    char *list = strdup(opt->urls), *rest = list, *url;
    int rc = list ? 0 : net_fail_memory(err, "an engine");
    while (!rc && (url = strsep(&rest, ", \t\n")))
        if (*url) rc = add_server(c, url, opt, err);
    free(list);
    if (!rc && !c->n)
        rc = refuse(err, PHI3V_E_ARGUMENT, "an engine's address is wanted: http://HOST:PORT/v1");
    return rc;
}

/* -- Requests --------------------------------------------------------------------------------- */

/* With a key, the public network must be reached with encryption; the actual address about to be
 * connected decides. */
static curl_socket_t open_guarded(void *user, curlsocktype purpose, struct curl_sockaddr *a)
{
    struct chat_server *s = user;
    (void)purpose;
    s->guarded = !address_is_private(&a->addr);
    if (s->guarded) return CURL_SOCKET_BAD;
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static bool add_header(struct curl_slist **list, const char *line)
{
    struct curl_slist *longer = curl_slist_append(*list, line);
    if (longer) *list = longer;
    return longer != NULL;
}

bool chat_server_setup(struct chat *c, int k, const char *path, CURL *easy,
                       struct curl_slist **ret_headers)
{
    struct chat_server *s = &c->servers[k];
    char *url = text_format("%s%s", s->base, path);
    char *key = c->key ? text_format("Authorization: Bearer %s", c->key) : NULL;
    bool whole = url && (key || !c->key);
    whole = whole && add_header(ret_headers, "Content-Type: application/json") &&
            add_header(ret_headers, "Expect:") &&
            add_header(ret_headers, "Accept-Encoding: identity") &&
            (!key || add_header(ret_headers, key));
    if (whole) {
        transfer_setup(easy);
        curl_easy_setopt(easy, CURLOPT_URL, url);
        curl_easy_setopt(easy, CURLOPT_HTTPHEADER, *ret_headers);
        /* Not asked for, since it may hold back a stream's words, but some servers compress anyway. */
        curl_easy_setopt(easy, CURLOPT_ACCEPT_ENCODING, "");
        curl_easy_setopt(easy, CURLOPT_PROXY, s->proxy ? s->proxy : "");
        curl_easy_setopt(easy, CURLOPT_NOPROXY, "");
        curl_easy_setopt(easy, CURLOPT_HEADEROPT, (long)CURLHEADER_SEPARATE);
        curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, s);
        if (c->key && !s->tls) curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, open_guarded);
    }
    if (key) explicit_bzero(key, strlen(key));
    free(key);
    free(url);
    return whole;
}

int chat_server_pick(const struct chat *c, double *ret_ready_s)
{
    double now = now_s();
    int best = -1;
    *ret_ready_s = now + 3600;
    for (int k = 0; k < c->n; k++) {
        const struct chat_server *s = &c->servers[k];
        if (s->ready_s < *ret_ready_s) *ret_ready_s = s->ready_s;
        if (s->ready_s <= now && (best < 0 || s->n_calls < c->servers[best].n_calls)) best = k;
    }
    return best;
}

double chat_backoff_s(const struct chat *c, int n_failed)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    double doubled = c->backoff_s * (double)(1 << (n_failed < 4 ? n_failed - 1 : 3));
    return doubled * (0.75 + 0.5 * (double)(t.tv_nsec % 1000) / 1000);
}

/* -- Sentences -------------------------------------------------------------------------------- */

int chat_transfer_fail(struct chat_server *s, CURL *easy, CURLcode code, int64_t n,
                       struct phi3v_error *err)
{
    struct phi3v_error why;
    if (s->guarded)
        return refuse(err, PHI3V_E_DEVICE,
                      "%.300s: the key would go through the public network unencrypted: "
                      "give an https:// address",
                      s->name);
    int rc = transfer_fail(easy, code, s->name, n, &why);
    if (rc != PHI3V_E_MEMORY && rc != PHI3V_E_ARGUMENT) rc = PHI3V_E_DEVICE;
    return refuse(err, rc, "%s", why.text);
}

static const char *meaning_of(long status, bool has_key)
{
    switch (status) {
    case 401:
    case 403:
        return has_key ? "it refuses the key"
                       : "it needs a key: PHISCOPE_API_KEY, or --api-key-file FILE";
    case 404:
        return "nothing answers questions there: is that the address of its /v1?";
    case 413:
        return "the question with its pictures is too large for it";
    case 429:
        return "it has too much to do: try again later";
    default:
        return status >= 500 ? "it has a problem" : "it refuses the question";
    }
}

static bool says_too_long(const char *message)
{
    return strcasestr(message, "context length") || strcasestr(message, "context_length") ||
           strcasestr(message, "context window") || strcasestr(message, "context size");
}

int chat_status_fail(const char *name, long status, const char *message, const char *location,
                     bool has_key, struct phi3v_error *err)
{
    if (status >= 300 && status < 400) {
        char *safe = location ? url_without_secrets(location, NULL) : NULL;
        char *shown = safe ? clean_string(safe, CLEAN_NAME) : NULL;
        int rc = refuse(err, PHI3V_E_DEVICE,
                        "%.150s redirects to %.150s, which is not followed: give that address",
                        name, shown ? shown : "another address");
        free(safe);
        free(shown);
        return rc;
    }
    if (says_too_long(message))
        return refuse(err, PHI3V_E_TOO_LONG, "%.150s: the prompt is too long: %.300s", name,
                      message);
    return refuse(err, PHI3V_E_DEVICE, "%.150s: %s (HTTP status %ld%s%.230s)", name,
                  meaning_of(status, has_key), status, *message ? ": " : "", message);
}
