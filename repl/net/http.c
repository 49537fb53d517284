/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include "net/http.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "term/clean.h"

#define CONNECT_S 10L
#define SLOW_BYTES_S 100L
#define SLOW_S 15L
#define TOTAL_S 60.0
#define REDIRECTS 5L
#define ERROR_BODY_BYTES 4096
#define POLL_MS 100

int fetch_fail(struct phi3v_error *err, int code, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        err->code = code;
        vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
    }
    return code;
}

/* -- Addresses -------------------------------------------------------------------------------- */

static bool is_private_4(uint32_t a)
{
    static const struct {
        uint32_t net;
        int bits;
    } nets[] = {
        {0x00000000, 8},  {0x0A000000, 8},  {0x64400000, 10}, {0x7F000000, 8},  {0xA9FE0000, 16},
        {0xAC100000, 12}, {0xC0000000, 24}, {0xC0A80000, 16}, {0xC6120000, 15}, {0xE0000000, 3},
    };
    for (size_t i = 0; i < sizeof nets / sizeof *nets; i++)
        if ((a ^ nets[i].net) >> (32 - nets[i].bits) == 0) return true;
    return false;
}

static uint32_t word(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

/* Public is 2000::/3, less 6to4, Teredo and NAT64, which carry an IPv4 address and are judged by
 * that. */
static bool is_private_6(const uint8_t a[16])
{
    static const uint8_t zero[12] = {0}, mapped[12] = {[10] = 0xFF, [11] = 0xFF};
    static const uint8_t nat64[12] = {0x00, 0x64, 0xFF, 0x9B};
    if (!memcmp(a, mapped, 12) || !memcmp(a, nat64, 12)) return is_private_4(word(a + 12));
    if (!memcmp(a, zero, 12)) return true;
    if (a[0] == 0x20 && a[1] == 0x02) return is_private_4(word(a + 2));
    if (!memcmp(a, "\x20\x01\x00\x00", 4)) return true;
    return (a[0] & 0xE0) != 0x20;
}

bool fetch_is_private(const char *address)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST, .ai_family = AF_UNSPEC}, *info = NULL;
    char bare[64];
    size_t n = strlen(address);
    if (n > 2 && n < sizeof bare && address[0] == '[' && address[n - 1] == ']') {
        memcpy(bare, address + 1, n - 2);
        bare[n - 2] = 0;
        address = bare;
    }
    if (getaddrinfo(address, NULL, &hints, &info) != 0) return true;
    bool is_private = true;
    if (info->ai_family == AF_INET) {
        struct sockaddr_in sa;
        memcpy(&sa, info->ai_addr, sizeof sa);
        is_private = is_private_4(ntohl(sa.sin_addr.s_addr));
    } else if (info->ai_family == AF_INET6) {
        struct sockaddr_in6 sa;
        memcpy(&sa, info->ai_addr, sizeof sa);
        is_private = is_private_6(sa.sin6_addr.s6_addr);
    }
    freeaddrinfo(info);
    return is_private;
}

/* A host written as a private address, or by its name for this machine. */
static bool is_private_literal(const char *host)
{
    struct addrinfo hints = {.ai_flags = AI_NUMERICHOST}, *info = NULL;
    size_t n = strlen(host);
    if (!strcasecmp(host, "localhost") || (n > 10 && !strcasecmp(host + n - 10, ".localhost")))
        return true;
    if (host[0] == '[') return fetch_is_private(host);
    if (getaddrinfo(host, NULL, &hints, &info) != 0) return false; /* a name */
    freeaddrinfo(info);
    return fetch_is_private(host);
}

static bool uses_proxy(void)
{
    static const char *const names[] = {"http_proxy", "https_proxy", "HTTPS_PROXY", "all_proxy",
                                        "ALL_PROXY"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        const char *value = getenv(names[i]);
        if (value && *value) return true;
    }
    return false;
}

/* -- One transfer ----------------------------------------------------------------------------- */

struct transfer {
    CURL *easy;
    const char *source;
    const struct fetch_options *opt;
    size_t limit;
    uint8_t *bytes;
    size_t n, cap;
    bool proxied;
    bool was_public; /* an earlier hop was */
    enum { GOING, TOO_LARGE, NO_MEMORY, PRIVATE_ADDRESS, ERROR_PAGE, CANCELLED } stopped;
    char address[64]; /* the private one */
};

/* After connecting, before sending, at each hop: is this address allowed? A host name proves
 * nothing. */
static int check_address(void *user, char *address, char *local, int port, int local_port)
{
    (void)local, (void)port, (void)local_port;
    struct transfer *t = user;
    bool is_private = fetch_is_private(address);
    if (t->proxied) { /* the address is the proxy's: only the host as written can be judged */
        char *url = NULL, *host = NULL;
        CURLU *parts = curl_url();
        curl_easy_getinfo(t->easy, CURLINFO_EFFECTIVE_URL, &url);
        is_private = !parts || curl_url_set(parts, CURLUPART_URL, url ? url : "", 0) != CURLUE_OK ||
                     curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
                     is_private_literal(host);
        curl_free(host);
        curl_url_cleanup(parts);
    }
    bool allowed =
        t->opt->allow_private || !is_private || (t->opt->origin == NET_TYPED && !t->was_public);
    if (!is_private) t->was_public = true;
    if (allowed) return CURL_PREREQFUNC_OK;
    t->stopped = PRIVATE_ADDRESS;
    snprintf(t->address, sizeof t->address, "%s", address);
    return CURL_PREREQFUNC_ABORT;
}

static bool grow(struct transfer *t, size_t more)
{
    if (t->n + more <= t->cap) return true;
    size_t cap = t->cap ? 2 * t->cap : 65536;
    while (cap < t->n + more) cap *= 2;
    uint8_t *bytes = realloc(t->bytes, cap);
    if (!bytes) return false;
    t->bytes = bytes;
    t->cap = cap;
    return true;
}

/* Counts here: a chunked answer has no length that could be refused beforehand. */
static size_t take_body(char *data, size_t size, size_t n, void *user)
{
    struct transfer *t = user;
    long status = 0;
    n *= size;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status >= 300 && n + t->n > ERROR_BODY_BYTES)
        t->stopped = ERROR_PAGE;
    else if (n > t->limit - t->n)
        t->stopped = TOO_LARGE;
    else if (!grow(t, n))
        t->stopped = NO_MEMORY;
    if (t->stopped) return 0;
    memcpy(t->bytes + t->n, data, n);
    t->n += n;
    return n;
}

static int take_progress(void *user, curl_off_t total, curl_off_t done, curl_off_t up_total,
                         curl_off_t up_done)
{
    (void)up_total, (void)up_done;
    struct transfer *t = user;
    if (!t->opt->on_progress || t->opt->on_progress(done, total, t->opt->user) == 0) return 0;
    t->stopped = CANCELLED;
    return 1;
}

static double total_s(const struct fetch_options *opt)
{
    return opt->timeout_s > 0 ? opt->timeout_s : TOTAL_S;
}

static void set_options(struct transfer *t, const char *url, char *error_text)
{
    CURL *c = t->easy;
    const char *bundle = getenv("CURL_CA_BUNDLE");
    if (!bundle || !*bundle) bundle = getenv("SSL_CERT_FILE");
    if (bundle && *bundle) curl_easy_setopt(c, CURLOPT_CAINFO, bundle);
    curl_easy_setopt(c, CURLOPT_URL, url);
    curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_REDIR_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 1L);
    curl_easy_setopt(c, CURLOPT_MAXREDIRS, REDIRECTS);
    curl_easy_setopt(c, CURLOPT_UNRESTRICTED_AUTH, 0L);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT, CONNECT_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_LIMIT, SLOW_BYTES_S);
    curl_easy_setopt(c, CURLOPT_LOW_SPEED_TIME, SLOW_S);
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(total_s(t->opt) * 1000));
    curl_easy_setopt(c, CURLOPT_MAXFILESIZE_LARGE, (curl_off_t)t->limit);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "phiscope/" PHI3V_VERSION);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, error_text);
    curl_easy_setopt(c, CURLOPT_PREREQFUNCTION, check_address);
    curl_easy_setopt(c, CURLOPT_PREREQDATA, t);
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, take_body);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, t);
    curl_easy_setopt(c, CURLOPT_XFERINFOFUNCTION, take_progress);
    curl_easy_setopt(c, CURLOPT_XFERINFODATA, t);
    curl_easy_setopt(c, CURLOPT_NOPROGRESS, 0L);
}

/* Through a multi handle, so that cancelling is noticed within POLL_MS however quiet the server is.
 */
static CURLcode perform(struct transfer *t)
{
    CURLM *multi = curl_multi_init();
    CURLcode result = CURLE_OUT_OF_MEMORY;
    int running = 1, left;
    if (!multi || curl_multi_add_handle(multi, t->easy) != CURLM_OK) goto out;
    while (curl_multi_perform(multi, &running) == CURLM_OK && running) {
        if (take_progress(t, 0, (curl_off_t)t->n, 0, 0)) break;
        curl_multi_poll(multi, NULL, 0, POLL_MS, NULL);
    }
    result = CURLE_ABORTED_BY_CALLBACK;
    const CURLMsg *message = curl_multi_info_read(multi, &left);
    if (message && message->msg == CURLMSG_DONE) result = message->data.result;
    curl_multi_remove_handle(multi, t->easy);
out:
    curl_multi_cleanup(multi);
    return result;
}

/* -- Sentences -------------------------------------------------------------------------------- */

static int fail_stopped(const struct transfer *t, struct phi3v_error *err)
{
    switch (t->stopped) {
    case TOO_LARGE:
        return fetch_fail(err, PHI3V_E_IMAGE, "%s is larger than %.4g MiB, the limit for pictures",
                          t->source, (double)t->limit / 1048576);
    case NO_MEMORY:
        return fetch_fail(err, PHI3V_E_MEMORY, "not enough memory to fetch %s (%zu bytes so far)",
                          t->source, t->n);
    case PRIVATE_ADDRESS:
        return fetch_fail(err, PHI3V_E_IO,
                          "%s leads to the private address %s, which only a person may ask for: "
                          "type that URL yourself, or allow it with --allow-private-urls",
                          t->source, t->address);
    default:
        return fetch_fail(err, PHI3V_E_CANCELLED, "fetching %s was cancelled", t->source);
    }
}

static int fail_connect(const struct transfer *t, struct phi3v_error *err)
{
    long number = 0;
    curl_easy_getinfo(t->easy, CURLINFO_OS_ERRNO, &number);
    return fetch_fail(err, PHI3V_E_IO, "%s: cannot connect (%s)", t->source,
                      number ? strerror((int)number) : "nobody answers");
}

/* libcurl's own words, which may quote the server's. */
static int fail_other(const char *source, const char *text, struct phi3v_error *err)
{
    char *clean = clean_string(text, CLEAN_NAME);
    int rc = fetch_fail(err, PHI3V_E_IO, "%s: %s", source, clean ? clean : "the transfer failed");
    free(clean);
    return rc;
}

static int fail_curl(const struct transfer *t, CURLcode code, const char *text,
                     struct phi3v_error *err)
{
    const char *s = t->source;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return fetch_fail(err, PHI3V_E_IO, "%s: the host is not known, or there is no network", s);
    case CURLE_COULDNT_CONNECT:
        return fail_connect(t, err);
    case CURLE_OPERATION_TIMEDOUT:
        return fetch_fail(err, PHI3V_E_IO, "%s: timeout, nothing more came after %zu bytes", s,
                          t->n);
    case CURLE_TOO_MANY_REDIRECTS:
        return fetch_fail(err, PHI3V_E_IO, "%s: more than %ld redirects, probably in a circle", s,
                          REDIRECTS);
    case CURLE_FILESIZE_EXCEEDED:
        return fetch_fail(err, PHI3V_E_IMAGE, "%s is larger than %.4g MiB, the limit for pictures",
                          s, (double)t->limit / 1048576);
    case CURLE_PARTIAL_FILE:
        return fetch_fail(err, PHI3V_E_IO, "%s: the connection broke after %zu bytes: try again", s,
                          t->n);
    case CURLE_UNSUPPORTED_PROTOCOL:
        return fetch_fail(err, PHI3V_E_IO, "%s: it redirects to something else than http or https",
                          s);
    case CURLE_URL_MALFORMAT:
        return fetch_fail(err, PHI3V_E_ARGUMENT, "%s is not a valid URL", s);
    default:
        return fail_other(s, *text ? text : curl_easy_strerror(code), err);
    }
}

static int fail_status(const char *source, long status, struct phi3v_error *err)
{
    const char *what = status == 404 || status == 410   ? "not found"
                       : status == 401 || status == 403 ? "access is refused"
                       : status == 429                  ? "too many requests, try again later"
                       : status >= 500 ? "the server has a problem, try again later"
                                       : "the server gave no picture";
    return fetch_fail(err, PHI3V_E_IO, "%s: %s (HTTP status %ld)", source, what, status);
}

/* What came instead of a picture. */
static int check_content(const struct transfer *t, struct phi3v_error *err)
{
    size_t i = t->n >= 3 && !memcmp(t->bytes, "\xEF\xBB\xBF", 3) ? 3 : 0;
    while (i < t->n && strchr(" \t\r\n", t->bytes[i]) && t->bytes[i]) i++;
    if (t->n == 0) return fetch_fail(err, PHI3V_E_IMAGE, "%s is empty", t->source);
    if (i == t->n || t->bytes[i] != '<') return 0;
    return fetch_fail(err, PHI3V_E_IMAGE,
                      "%s is a web page, not a picture: copy the address of the picture itself",
                      t->source);
}

static int judge(struct transfer *t, CURLcode code, const char *text, struct phi3v_error *err)
{
    long status = 0;
    curl_easy_getinfo(t->easy, CURLINFO_RESPONSE_CODE, &status);
    if (t->stopped && t->stopped != ERROR_PAGE) return fail_stopped(t, err);
    if (code != CURLE_OK && t->stopped != ERROR_PAGE) return fail_curl(t, code, text, err);
    if (status < 200 || status >= 300) return fail_status(t->source, status, err);
    return check_content(t, err);
}

int fetch_http(const char *url, const char *source, const struct fetch_options *opt,
               struct fetched *ret, struct phi3v_error *err)
{
    char error_text[CURL_ERROR_SIZE] = "";
    struct transfer t = {.source = source, .opt = opt, .proxied = uses_proxy()};
    t.limit = opt->limit_bytes ? opt->limit_bytes : FETCH_LIMIT_BYTES;
    t.easy = curl_easy_init();
    if (!t.easy) return fetch_fail(err, PHI3V_E_MEMORY, "not enough memory to fetch %s", source);
    set_options(&t, url, error_text);
    int rc = judge(&t, perform(&t), error_text, err);
    curl_easy_cleanup(t.easy);
    if (rc != 0) {
        free(t.bytes);
        return rc;
    }
    ret->bytes = t.bytes;
    ret->n_bytes = t.n;
    return 0;
}

/* -- Names ------------------------------------------------------------------------------------ */

static bool is_signed(const char *query)
{
    static const char *const marks[] = {"signature=", "token=", "sig=", "key=", "credential="};
    for (; *query; query++)
        for (size_t i = 0; i < sizeof marks / sizeof *marks; i++)
            if (!strncasecmp(query, marks[i], strlen(marks[i]))) return true;
    return false;
}

char *fetch_http_name(const char *url)
{
    char *name = NULL, *query = NULL, *copy = NULL;
    CURLU *parts = curl_url();
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK) {
        curl_url_set(parts, CURLUPART_USER, NULL, 0);
        curl_url_set(parts, CURLUPART_PASSWORD, NULL, 0);
        curl_url_set(parts, CURLUPART_FRAGMENT, NULL, 0);
        curl_url_get(parts, CURLUPART_QUERY, &query, 0);
        if (query && is_signed(query)) curl_url_set(parts, CURLUPART_QUERY, NULL, 0);
        if (curl_url_get(parts, CURLUPART_URL, &name, CURLU_PUNYCODE) == CURLUE_OK)
            copy = strdup(name);
    }
    curl_free(query);
    curl_free(name);
    curl_url_cleanup(parts);
    return copy;
}
