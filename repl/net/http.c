/* SPDX-License-Identifier: MIT
 * Fetches a picture over http or https. Redirects are followed here, one request each, because
 * every hop may go to another network and through another proxy: whether it is allowed is decided
 * before connecting. */
#define _GNU_SOURCE /* SOCK_CLOEXEC */
#include "net/http.h"

#include <curl/curl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "net/address.h"
#include "net/bytes.h"
#include "net/limits.h"
#include "net/multipart.h"
#include "net/proxy.h"
#include "net/transfer.h"
#include "net/url.h"

enum stopped { GOING, TOO_LARGE, NO_MEMORY, ERROR_PAGE, CANCELLED, ENOUGH, NO_FRAME };

struct transfer {
    CURL *easy;
    const char *source;
    const struct fetch_options *opt;
    size_t limit;
    double end_s; /* end of the whole fetch, on the clock */
    struct bytes got;
    size_t n_dropped; /* bytes of an error's or a redirect's page */
    int64_t total;    /* as announced; 0: unknown */
    bool sniffed;
    struct multipart multipart;
    size_t frame_at, frame_n;
    enum stopped stopped;
    int n_hops;
    /* of the present hop */
    char *host;
    char *proxy;     /* NULL: none */
    bool was_public; /* an earlier hop was public */
    bool refused;    /* a private address came up and was refused */
};

/* -- What arrives ----------------------------------------------------------------------------- */

static const uint8_t *bytes_of(const struct transfer *t) { return (const uint8_t *)t->got.data; }

/* Stops when no more is needed: a camera's first frame is complete, or this is no picture. */
static void look(struct transfer *t)
{
    if (t->multipart.is_one) {
        enum multipart_state s =
            multipart_first(&t->multipart, bytes_of(t), t->got.n, false, &t->frame_at, &t->frame_n);
        if (s != MULTIPART_MORE) t->stopped = s == MULTIPART_FRAME ? ENOUGH : NO_FRAME;
    } else if (t->opt->is_hopeless && !t->sniffed && t->got.n >= NET_SNIFF_BYTES) {
        t->sniffed = true;
        if (t->opt->is_hopeless(bytes_of(t), t->got.n)) t->stopped = ENOUGH;
    }
}

/* Counts the decoded bytes: chunked and compressed replies announce no length that could be
 * refused. */
static size_t take_body(char *data, size_t size, size_t n, void *user)
{
    struct transfer *t = user;
    long status = 0;
    n *= size;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 300) {
        t->n_dropped += n;
        if (t->n_dropped > NET_ERROR_BYTES) t->stopped = ERROR_PAGE;
        return t->stopped ? 0 : n;
    }
    if (t->got.n == 0) {
        const char *type = NULL;
        curl_easy_getinfo(t->easy, CURLINFO_CONTENT_TYPE, &type);
        multipart_init(&t->multipart, type);
    }
    int rc = bytes_add(&t->got, data, n, t->limit);
    if (rc) t->stopped = rc == BYTES_TOO_MANY ? TOO_LARGE : NO_MEMORY;
    if (rc) return 0;
    look(t);
    return t->stopped ? 0 : n;
}

static int take_progress(void *user, curl_off_t total, curl_off_t done, curl_off_t up_total,
                         curl_off_t up_done)
{
    (void)done, (void)up_total, (void)up_done;
    struct transfer *t = user;
    t->total = total;
    return 0;
}

static int asks_to_stop(void *user)
{
    struct transfer *t = user;
    if (!t->opt->on_progress ||
        t->opt->on_progress((int64_t)t->got.n, t->total >= (int64_t)t->got.n ? t->total : 0,
                            t->opt->user) == 0)
        return 0;
    t->stopped = CANCELLED;
    return 1;
}

/* -- Private addresses ------------------------------------------------------------------------ */

static bool is_guarded(const struct transfer *t)
{
    return !t->opt->allow_private && (t->opt->origin != NET_TYPED || t->was_public);
}

/* Checks the actual address about to be connected: a name proves nothing, and may resolve
 * differently next time. */
static curl_socket_t open_socket(void *user, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)purpose;
    struct transfer *t = user;
    if (!t->proxy && is_guarded(t) && address_is_private(&a->addr)) {
        t->refused = true;
        return CURL_SOCKET_BAD;
    }
    return socket(a->family, a->socktype | SOCK_CLOEXEC, a->protocol);
}

static curl_socket_t only_look(void *user, curlsocktype purpose, struct curl_sockaddr *a)
{
    (void)purpose;
    if (address_is_private(&a->addr)) *(bool *)user = true;
    return CURL_SOCKET_BAD;
}

/* Resolves the host's name here, without connecting. A name that only the proxy can resolve counts
 * as public. */
static bool resolves_to_private(struct transfer *t, const char *url)
{
    bool is_private = false;
    CURL *easy = curl_easy_init();
    if (!easy) return true;
    transfer_setup(easy);
    curl_easy_setopt(easy, CURLOPT_URL, url);
    curl_easy_setopt(easy, CURLOPT_PROXY, "");
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, NET_RESOLVE_S);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETFUNCTION, only_look);
    curl_easy_setopt(easy, CURLOPT_OPENSOCKETDATA, &is_private);
    transfer_run(NULL, easy, asks_to_stop, t);
    curl_easy_cleanup(easy);
    return is_private;
}

/* What is known before connecting. Behind a proxy, whose address is the one connected, this is all:
 * the host as written, and what it resolves to here. */
static bool is_private_host(struct transfer *t, const char *url)
{
    return address_host_is_private(t->host) || (t->proxy && resolves_to_private(t, url));
}

static bool hop_was_public(struct transfer *t, const char *url)
{
    char *address = NULL;
    if (t->proxy) return !is_private_host(t, url);
    curl_easy_getinfo(t->easy, CURLINFO_PRIMARY_IP, &address);
    return address && !address_text_is_private(address);
}

static int fail_private(const struct transfer *t, struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_IO,
                  "%s leads to a private address, which only a person may ask for: type that URL "
                  "yourself, or allow it with --allow-private-urls",
                  t->source);
}

/* -- Sentences -------------------------------------------------------------------------------- */

static int fail_large(const struct transfer *t, struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_IMAGE, "%s is larger than %.4g MiB, the limit for pictures",
                  t->source, (double)t->limit / 1048576);
}

static int fail_status(const char *source, long status, struct phi3v_error *err)
{
    const char *what = status == 404 || status == 410   ? "not found"
                       : status == 401 || status == 403 ? "access is refused"
                       : status == 407                  ? "the proxy needs a name and a password"
                       : status == 408                  ? "the server gave up waiting, try again"
                       : status == 429                  ? "too many requests, try again later"
                       : status >= 300 && status < 400 && status != 304
                           ? "it redirects without saying where to"
                       : status >= 500 && status < 600 ? "the server has a problem, try again later"
                                                       : "the server gave no picture";
    return refuse(err, PHI3V_E_IO, "%s: %s (HTTP status %ld)", source, what, status);
}

static int judge_stopped(const struct transfer *t, struct phi3v_error *err)
{
    switch (t->stopped) {
    case TOO_LARGE:
        return fail_large(t, err);
    case NO_MEMORY:
        return net_fail_memory(err, t->source);
    case NO_FRAME:
        return refuse(err, PHI3V_E_IMAGE, "%s is a camera's stream without a whole frame in it",
                      t->source);
    default:
        return refuse(err, PHI3V_E_CANCELLED, "fetching %s was cancelled", t->source);
    }
}

/* The end of the stream may complete its only frame. */
static void finish_multipart(struct transfer *t)
{
    if (!t->multipart.is_one || t->stopped) return;
    bool whole = multipart_first(&t->multipart, bytes_of(t), t->got.n, true, &t->frame_at,
                                 &t->frame_n) == MULTIPART_FRAME;
    t->stopped = whole ? ENOUGH : NO_FRAME;
}

static int judge(struct transfer *t, CURLcode code, struct phi3v_error *err)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (code == CURLE_OK && status >= 200 && status < 300) finish_multipart(t);
    if (t->refused && t->got.n == 0 && status == 0) return fail_private(t, err);
    if (t->stopped && t->stopped != ERROR_PAGE && t->stopped != ENOUGH)
        return judge_stopped(t, err);
    if (code == CURLE_FILESIZE_EXCEEDED) return fail_large(t, err);
    /* libcurl's word for bytes behind the end of compressed data; all before them was taken. */
    if (code == CURLE_WRITE_ERROR && t->got.n > 0) code = CURLE_OK;
    if (code != CURLE_OK && !t->stopped)
        return transfer_fail(t->easy, code, t->source, (int64_t)t->got.n, err);
    if (status < 200 || status >= 300) return fail_status(t->source, status, err);
    if (t->got.n == 0 || (t->multipart.is_one && t->frame_n == 0))
        return refuse(err, PHI3V_E_IMAGE, "%s is empty", t->source);
    return 0;
}

/* -- Hops ------------------------------------------------------------------------------------- */

static void setup(struct transfer *t)
{
    CURL *c = t->easy;
    transfer_setup(c);
    curl_easy_setopt(c, CURLOPT_ACCEPT_ENCODING,
                     "");                        /* some servers compress without being asked */
    curl_easy_setopt(c, CURLOPT_COOKIEFILE, ""); /* kept between hops, not stored */
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, NET_STALL_BYTES_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, NET_STALL_S);
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->limit);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket);
    curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, take_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
}

/* Parses the address and chooses its proxy. */
static int begin_hop(struct transfer *t, const char *url, struct phi3v_error *err)
{
    CURLU *parts = curl_url();
    char *scheme = NULL, *host = NULL;
    CURLUcode rc = parts ? curl_url_set(parts, CURLUPART_URL, url, 0) : CURLUE_OUT_OF_MEMORY;
    if (rc == CURLUE_OK) rc = curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0);
    if (rc == CURLUE_OK) rc = curl_url_get(parts, CURLUPART_HOST, &host, CURLU_PUNYCODE);
    free(t->host);
    free(t->proxy);
    t->refused = false;
    t->host = host ? strdup(host) : NULL;
    t->proxy = t->host ? proxy_for(scheme, t->host) : NULL;
    bool no_memory = rc == CURLUE_OUT_OF_MEMORY || (host && !t->host);
    curl_free(scheme);
    curl_free(host);
    curl_url_cleanup(parts);
    if (no_memory) return net_fail_memory(err, t->source);
    if (!t->host)
        return refuse(err, PHI3V_E_ARGUMENT,
                      t->n_hops ? "%s: it redirects to an address that is not valid"
                                : "%s is not a valid URL",
                      t->source);
    t->n_hops++;
    curl_easy_setopt(t->easy, CURLOPT_URL, url);
    curl_easy_setopt(t->easy, CURLOPT_PROXY, t->proxy ? t->proxy : "");
    curl_easy_setopt(t->easy, CURLOPT_NOPROXY, "");
    return 0;
}

/* Some servers name an encoding that their picture does not have, such as UTF-8: asks again for the
 * bytes as they are. If these are no picture, the failure stands. */
static CURLcode ask_undecoded(struct transfer *t, CURLcode failure)
{
    bytes_fini(&t->got);
    t->sniffed = false;
    curl_easy_setopt(t->easy, CURLOPT_HTTP_CONTENT_DECODING, 0L);
    CURLcode code = transfer_run(NULL, t->easy, asks_to_stop, t);
    curl_easy_setopt(t->easy, CURLOPT_HTTP_CONTENT_DECODING, 1L);
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    bool picture = t->got.n > 0 && !t->opt->is_hopeless(bytes_of(t), t->got.n);
    if (picture || status >= 300 || t->stopped == CANCELLED) return code;
    t->stopped = GOING;
    return failure;
}

/* Sends one request. Writes *ret_next (free) if it is a redirect to follow. */
static int hop(struct transfer *t, const char *url, char **ret_next, struct phi3v_error *err)
{
    char *next = NULL;
    int rc = begin_hop(t, url, err);
    if (rc) return rc;
    if (is_guarded(t) && is_private_host(t, url))
        return t->stopped == CANCELLED ? judge_stopped(t, err) : fail_private(t, err);
    double left_s = t->end_s - now_s();
    curl_easy_setopt(t->easy, CURLOPT_TIMEOUT_MS, left_s > 0.001 ? (long)(left_s * 1000) : 1L);
    t->n_dropped = 0;
    CURLcode code = transfer_run(NULL, t->easy, asks_to_stop, t);
    if (code == CURLE_BAD_CONTENT_ENCODING && t->opt->is_hopeless) code = ask_undecoded(t, code);
    curl_easy_getinfo(t->easy, CURLINFO_REDIRECT_URL, &next);
    if (!next || (code != CURLE_OK && t->stopped != ERROR_PAGE)) return judge(t, code, err);
    t->stopped = GOING;
    if (!url_is_http(next))
        return refuse(err, PHI3V_E_IO, "%s: it redirects to something else than http or https",
                      t->source);
    *ret_next = strdup(next);
    if (!*ret_next) return net_fail_memory(err, t->source);
    if (!t->was_public && !t->opt->allow_private) t->was_public = hop_was_public(t, url);
    return 0;
}

static int follow(struct transfer *t, const char *url, struct phi3v_error *err)
{
    char *at = strdup(url);
    int rc = at ? 0 : net_fail_memory(err, t->source);
    while (rc == 0 && at) {
        char *next = NULL;
        if (t->n_hops > NET_REDIRECTS)
            rc = refuse(err, PHI3V_E_IO, "%s: more than %d redirects, probably in a circle",
                        t->source, NET_REDIRECTS);
        else
            rc = hop(t, at, &next, err);
        free(at);
        at = next;
    }
    free(at);
    return rc;
}

int fetch_http(const char *url, const char *source, const struct fetch_options *opt,
               struct fetched *ret, struct phi3v_error *err)
{
    struct transfer t = {.source = source, .opt = opt, .limit = opt->limit_bytes};
    t.end_s = now_s() + opt->timeout_s;
    t.easy = curl_easy_init();
    if (!t.easy) return net_fail_memory(err, source);
    setup(&t);
    int rc = follow(&t, url, err);
    curl_easy_cleanup(t.easy);
    free(t.host);
    free(t.proxy);
    if (rc != 0) {
        bytes_fini(&t.got);
        return rc;
    }
    if (t.multipart.is_one) {
        memmove(t.got.data, t.got.data + t.frame_at, t.frame_n);
        t.got.n = t.frame_n;
    }
    ret->bytes = (uint8_t *)t.got.data;
    ret->n_bytes = t.got.n;
    return 0;
}
