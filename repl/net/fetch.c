/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include "net/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/http.h"
#include "term/clean.h"

#define POLL_MS 100
#define NAME_BYTES 160 /* of a name in an error sentence */

void fetch_global_init(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }
void fetch_global_fini(void) { curl_global_cleanup(); }

static bool begins(const char *s, const char *with)
{
    return strncasecmp(s, with, strlen(with)) == 0;
}

static bool is_http(const char *what)
{
    return begins(what, "http://") || begins(what, "https://");
}
static bool is_data(const char *what) { return begins(what, "data:"); }

bool fetch_is_url(const char *what) { return is_http(what) || is_data(what); }

static size_t limit_of(const struct fetch_options *opt)
{
    return opt->limit_bytes ? opt->limit_bytes : FETCH_LIMIT_BYTES;
}

static int fail_large(const char *source, const struct fetch_options *opt, struct phi3v_error *err)
{
    return fetch_fail(err, PHI3V_E_IMAGE, "%s is larger than %.4g MiB, the limit for pictures",
                      source, (double)limit_of(opt) / 1048576);
}

static int fail_memory(const char *source, struct phi3v_error *err)
{
    return fetch_fail(err, PHI3V_E_MEMORY, "not enough memory to read %s", source);
}

/* -- data: URLs ------------------------------------------------------------------------------- */

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* In place; a % without two digits stays. Returns the new length. */
static size_t percent_decode(uint8_t *s, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        int high = s[i] == '%' && i + 2 < n ? hex_digit((char)s[i + 1]) : -1;
        int low = high >= 0 ? hex_digit((char)s[i + 2]) : -1;
        if (low >= 0) i += 2;
        s[to++] = low >= 0 ? (uint8_t)(high << 4 | low) : s[i];
    }
    return to;
}

/* In place: no blanks, the usual alphabet, padded. s has room for three more bytes. Returns the new
 * length. */
static size_t normalise_base64(uint8_t *s, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (strchr(" \t\r\n\f", s[i]) && s[i]) continue;
        s[to++] = s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i];
    }
    while (to > 0 && s[to - 1] == '=') to--;
    for (size_t pad = (4 - to % 4) % 4; pad > 0 && pad < 3; pad--) s[to++] = '=';
    return to;
}

static int base64_decode(const uint8_t *s, size_t n, uint8_t *to, size_t *ret_n)
{
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    int part = 0, rest = 0, rc = -1;
    if (ctx && n <= INT_MAX) {
        EVP_DecodeInit(ctx);
        if (EVP_DecodeUpdate(ctx, to, &part, s, (int)n) >= 0 &&
            EVP_DecodeFinal(ctx, to + part, &rest) == 1) {
            *ret_n = (size_t)part + (size_t)rest;
            rc = 0;
        }
    }
    EVP_ENCODE_CTX_free(ctx);
    return rc;
}

static int decode_base64_url(uint8_t *text, size_t n, const char *source, struct fetched *ret,
                             struct phi3v_error *err)
{
    n = normalise_base64(text, n);
    uint8_t *bytes = malloc(n + 1);
    if (!bytes) return fail_memory(source, err);
    if (base64_decode(text, n, bytes, &ret->n_bytes) != 0) {
        free(bytes);
        return fetch_fail(err, PHI3V_E_ARGUMENT,
                          "the base64 of the data: URL is damaged or cut off");
    }
    ret->bytes = bytes;
    return 0;
}

static int fetch_data(const char *url, const char *source, const struct fetch_options *opt,
                      struct fetched *ret, struct phi3v_error *err)
{
    const char *comma = strchr(url, ',');
    if (!comma)
        return fetch_fail(err, PHI3V_E_ARGUMENT, "a data: URL needs a comma before the data");
    bool base64 = comma - url >= 12 && begins(comma - 7, ";base64");
    size_t n = strlen(comma + 1);
    if (n / 4 > limit_of(opt)) return fail_large(source, opt, err);
    uint8_t *text = malloc(n + 4);
    if (!text) return fail_memory(source, err);
    memcpy(text, comma + 1, n);
    n = percent_decode(text, n);
    int rc = 0;
    if (base64) {
        rc = decode_base64_url(text, n, source, ret, err);
        free(text);
    } else {
        ret->bytes = text;
        ret->n_bytes = n;
    }
    if (rc == 0 && (ret->n_bytes > limit_of(opt) || ret->n_bytes == 0)) {
        rc = ret->n_bytes ? fail_large(source, opt, err)
                          : fetch_fail(err, PHI3V_E_IMAGE, "%s is empty", source);
        free(ret->bytes);
    }
    return rc;
}

/* -- Files and the standard input ------------------------------------------------------------- */

/* Waits for input, giving the person a chance to cancel; 0, or CANCELLED. */
static int wait_readable(int fd, size_t n, const struct fetch_options *opt)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    do {
        if (opt->on_progress && opt->on_progress((int64_t)n, 0, opt->user))
            return PHI3V_E_CANCELLED;
    } while (poll(&p, 1, POLL_MS) == 0);
    return 0;
}

static int grow(struct fetched *f, size_t *cap)
{
    size_t bigger = *cap ? 2 * *cap : 65536;
    uint8_t *bytes = realloc(f->bytes, bigger);
    if (!bytes) return -1;
    f->bytes = bytes;
    *cap = bigger;
    return 0;
}

/* Reads to the end. f->bytes is the caller's to free, also after an error. */
static int read_all(int fd, const char *source, const struct fetch_options *opt, struct fetched *f,
                    struct phi3v_error *err)
{
    size_t cap = 0;
    for (;;) {
        if (wait_readable(fd, f->n_bytes, opt) != 0)
            return fetch_fail(err, PHI3V_E_CANCELLED, "reading %s was cancelled", source);
        if (f->n_bytes == cap && grow(f, &cap) != 0) return fail_memory(source, err);
        ssize_t n = read(fd, f->bytes + f->n_bytes, cap - f->n_bytes);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0)
            return fetch_fail(err, PHI3V_E_IO, "cannot read %s: %s", source, strerror(errno));
        if (n == 0) break;
        f->n_bytes += (size_t)n;
        if (f->n_bytes > limit_of(opt)) return fail_large(source, opt, err);
    }
    if (f->n_bytes == 0) return fetch_fail(err, PHI3V_E_IMAGE, "%s is empty", source);
    return 0;
}

static int read_fd(int fd, const char *source, const struct fetch_options *opt, struct fetched *ret,
                   struct phi3v_error *err)
{
    struct fetched f = {0};
    int rc = read_all(fd, source, opt, &f, err);
    if (rc == 0) {
        ret->bytes = f.bytes;
        ret->n_bytes = f.n_bytes;
    } else {
        free(f.bytes);
    }
    return rc;
}

static int fetch_stdin(const char *source, const struct fetch_options *opt, struct fetched *ret,
                       struct phi3v_error *err)
{
    if (isatty(opt->in_fd))
        return fetch_fail(err, PHI3V_E_ARGUMENT,
                          "- reads a picture from the standard input, but that is the terminal");
    return read_fd(opt->in_fd, source, opt, ret, err);
}

/* Regular files and pipes; O_NONBLOCK so that a pipe without a writer does not hang the open. */
static int fetch_file(const char *path, const char *source, const struct fetch_options *opt,
                      struct fetched *ret, struct phi3v_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int rc = fetch_fail(err, PHI3V_E_IO, "cannot open %s: %s", source, strerror(errno));
        if (fd >= 0) close(fd);
        return rc;
    }
    int rc;
    if (S_ISDIR(st.st_mode))
        rc = fetch_fail(err, PHI3V_E_IO, "%s is a folder, not a picture", source);
    else if (!S_ISREG(st.st_mode) && !S_ISFIFO(st.st_mode))
        rc = fetch_fail(err, PHI3V_E_IO, "%s is not a file", source);
    else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > limit_of(opt))
        rc = fail_large(source, opt, err);
    else
        rc = read_fd(fd, source, opt, ret, err);
    close(fd);
    return rc;
}

/* -- Names and the whole ---------------------------------------------------------------------- */

/* "ftp://…": something with a scheme that we do not fetch. */
static bool has_other_scheme(const char *what)
{
    size_t n = strspn(what, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+.-");
    return n > 1 && strncmp(what + n, "://", 3) == 0;
}

/* Hides user:password@ in what libcurl cannot take apart. */
static char *hide_user(const char *url)
{
    char *name = strdup(url);
    char *host = name ? strstr(name, "//") : NULL;
    if (!host) return name;
    host += 2;
    char *at = strrchr(host, '@');
    if (at) memmove(host, at + 1, strlen(at + 1) + 1);
    return name;
}

char *fetch_display_name(const char *what)
{
    char *name = NULL;
    if (is_data(what)) {
        char type[64];
        size_t n = strcspn(what, ";,");
        snprintf(type, sizeof type, "%.*s", n < 48 ? (int)n : 48, what);
        return clean_string(type, CLEAN_NAME);
    }
    if (is_http(what)) name = fetch_http_name(what);
    if (!name) name = is_http(what) || has_other_scheme(what) ? hide_user(what) : strdup(what);
    char *clean = name ? clean_string(name, CLEAN_NAME) : NULL;
    free(name);
    return clean;
}

/* A name that leaves room for the rest of the sentence; cut between letters. */
static void shorten(const char *name, char *to, size_t size)
{
    size_t n = strlen(name);
    if (n < size) {
        memcpy(to, name, n + 1);
        return;
    }
    n = size - 4;
    while (n > 0 && ((unsigned char)name[n] & 0xC0) == 0x80) n--;
    memcpy(to, name, n);
    memcpy(to + n, "\u2026", 4);
}

static int fetch_any(const char *what, const char *source, const struct fetch_options *opt,
                     struct fetched *ret, struct phi3v_error *err)
{
    if (!strcmp(what, "-")) return fetch_stdin("the standard input", opt, ret, err);
    if (is_data(what)) return fetch_data(what, source, opt, ret, err);
    if (has_other_scheme(what) && !is_http(what))
        return fetch_fail(
            err, PHI3V_E_ARGUMENT,
            "%s: only http, https and data: URLs are fetched; for a file give its path", source);
    if (!is_http(what)) return fetch_file(what, source, opt, ret, err);
    if (opt->offline)
        return fetch_fail(err, PHI3V_E_IO, "%s is not fetched: --offline is on", source);
    return fetch_http(what, source, opt, ret, err);
}

int fetch_picture(const char *what, const struct fetch_options *opt, struct fetched *ret,
                  struct phi3v_error *err)
{
    static const struct fetch_options defaults = {.origin = NET_TYPED};
    char source[NAME_BYTES];
    struct fetched f = {0};
    char *name = fetch_display_name(what);
    if (!name) return fetch_fail(err, PHI3V_E_MEMORY, "not enough memory for a name");
    shorten(name, source, sizeof source);
    int rc = fetch_any(what, source, opt ? opt : &defaults, &f, err);
    if (rc != 0) {
        free(name);
        return rc;
    }
    f.source = name;
    *ret = f;
    return 0;
}

void fetched_fini(struct fetched *f)
{
    free(f->bytes);
    free(f->source);
    *f = (struct fetched){0};
}
