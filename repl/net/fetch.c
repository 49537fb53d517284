/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "net/fetch.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "net/bytes.h"
#include "net/data_url.h"
#include "net/error.h"
#include "net/http.h"
#include "net/limits.h"
#include "net/url.h"
#include "term/clean.h"

#define NAME_BYTES 160 /* longest name in an error message */

void fetch_global_init(void) { curl_global_init(CURL_GLOBAL_DEFAULT); }
void fetch_global_fini(void) { curl_global_cleanup(); }
const char *fetch_library(void) { return curl_version(); }

bool fetch_is_url(const char *what)
{
    if (url_is_data(what)) return true;
    char *url = url_spell(what);
    bool is_url = url != NULL;
    free(url);
    return is_url;
}

static int fail_large(const char *source, const struct fetch_options *opt, struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_IMAGE, "%s is larger than %.4g MiB, the limit for pictures", source,
                  (double)opt->limit_bytes / 1048576);
}

/* -- Files and the standard input ------------------------------------------------------------- */

/* Waits for input, at most patience_s (0: for ever), giving the person a chance to cancel. */
static int wait_readable(int fd, const char *source, const struct fetch_options *opt, size_t n,
                         double patience_s, struct phi3v_error *err)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    double waited_s = 0;
    int n_ready;
    do {
        if (opt->on_progress && opt->on_progress((int64_t)n, 0, opt->user))
            return refuse(err, PHI3V_E_CANCELLED, "reading %s was cancelled", source);
        if (patience_s > 0 && waited_s > patience_s)
            return refuse(err, PHI3V_E_IO, "%s is a pipe to which nothing was written for %.0f s",
                          source, patience_s);
        waited_s += NET_POLL_MS / 1000.0;
        n_ready = poll(&p, 1, NET_POLL_MS);
    } while (n_ready == 0 || (n_ready < 0 && errno == EINTR)); /* a signal may mean to cancel */
    return 0;
}

/* Reads to the end. */
static int read_all(int fd, const char *source, const struct fetch_options *opt, double patience_s,
                    struct bytes *to, struct phi3v_error *err)
{
    char part[1 << 16];
    ssize_t n;
    for (;;) {
        int rc = wait_readable(fd, source, opt, to->n, patience_s, err);
        if (rc) return rc;
        n = read(fd, part, sizeof part);
        if (n < 0 && (errno == EINTR || errno == EAGAIN)) continue;
        if (n < 0) return refuse(err, PHI3V_E_IO, "cannot read %s: %s", source, strerror(errno));
        if (n == 0) break;
        rc = bytes_add(to, part, (size_t)n, opt->limit_bytes);
        if (rc == BYTES_TOO_MANY) return fail_large(source, opt, err);
        if (rc) return net_fail_memory(err, source);
    }
    if (to->n == 0) return refuse(err, PHI3V_E_IMAGE, "%s is empty", source);
    return 0;
}

static int read_fd(int fd, const char *source, const struct fetch_options *opt, double patience_s,
                   struct fetched *ret, struct phi3v_error *err)
{
    struct bytes all = {0};
    int rc = read_all(fd, source, opt, patience_s, &all, err);
    if (rc == 0) {
        ret->bytes = (uint8_t *)all.data;
        ret->n_bytes = all.n;
    } else {
        bytes_fini(&all);
    }
    return rc;
}

static int fetch_stdin(const char *source, const struct fetch_options *opt, struct fetched *ret,
                       struct phi3v_error *err)
{
    if (isatty(opt->in_fd))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "- reads a picture from the standard input, but that is the terminal");
    return read_fd(opt->in_fd, source, opt, 0, ret, err);
}

/* Opens regular files and, for a person, pipes; O_NONBLOCK so that a pipe without a writer does not
 * block. */
static int fetch_file(const char *path, const char *source, const struct fetch_options *opt,
                      struct fetched *ret, struct phi3v_error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0 || fstat(fd, &st) != 0) {
        int rc = refuse(err, PHI3V_E_IO, "cannot open %s: %s", source, strerror(errno));
        if (fd >= 0) close(fd);
        return rc;
    }
    int rc;
    if (S_ISDIR(st.st_mode))
        rc = refuse(err, PHI3V_E_IO, "%s is a folder, not a picture", source);
    else if (!S_ISREG(st.st_mode) && !(S_ISFIFO(st.st_mode) && opt->origin == NET_TYPED))
        rc = refuse(err, PHI3V_E_IO, "%s is not a file", source);
    else if (S_ISREG(st.st_mode) && (uint64_t)st.st_size > opt->limit_bytes)
        rc = fail_large(source, opt, err);
    else
        rc = read_fd(fd, source, opt, opt->timeout_s, ret, err);
    close(fd);
    return rc;
}

/* -- Names and the whole ---------------------------------------------------------------------- */

/* Shows hosts in ASCII, so that look-alike names are recognised. */
static char *ascii_host(const char *url)
{
    char *name = NULL, *copy = NULL;
    CURLU *parts = curl_url();
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK &&
        curl_url_get(parts, CURLUPART_URL, &name, CURLU_PUNYCODE) == CURLUE_OK)
        copy = strdup(name);
    curl_free(name);
    curl_url_cleanup(parts);
    return copy;
}

char *fetch_display_name(const char *what)
{
    if (url_is_data(what)) {
        char type[64];
        size_t n = strcspn(what, ";,");
        snprintf(type, sizeof type, "%.*s", n < 48 ? (int)n : 48, what);
        return clean_string(type, CLEAN_NAME);
    }
    char *name = url_without_secrets(what, NULL);
    char *ascii = name && url_is_http(name) ? ascii_host(name) : NULL;
    char *clean = name ? clean_string(ascii ? ascii : name, CLEAN_NAME) : NULL;
    free(ascii);
    free(name);
    return clean;
}

/* Shortens a name to leave room for the rest of the sentence; cuts between characters. */
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

static int fetch_data(const char *url, const char *source, const struct fetch_options *opt,
                      struct fetched *ret, struct phi3v_error *err)
{
    struct fetched f = {0};
    int rc = fetch_data_url(url, opt->limit_bytes, &f, err);
    if (rc) return rc;
    if (f.n_bytes > 0 && f.n_bytes <= opt->limit_bytes) {
        *ret = f;
        return 0;
    }
    rc = f.n_bytes ? fail_large(source, opt, err)
                   : refuse(err, PHI3V_E_IMAGE, "%s is empty", source);
    free(f.bytes);
    return rc;
}

static int fetch_address(const char *what, const char *url, const char *source,
                         const struct fetch_options *opt, struct fetched *ret,
                         struct phi3v_error *err)
{
    if (url_lacks_secret(what))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%s was stored without its password or key, which *** stands for: give the "
                      "whole address again",
                      source);
    if (opt->offline) return refuse(err, PHI3V_E_IO, "%s is not fetched: --offline is on", source);
    return fetch_http(url, source, opt, ret, err);
}

static int fetch_any(const char *what, const char *source, const struct fetch_options *opt,
                     struct fetched *ret, struct phi3v_error *err)
{
    if (!strcmp(what, "-")) return fetch_stdin("the standard input", opt, ret, err);
    if (url_is_data(what)) return fetch_data(what, source, opt, ret, err);
    if (url_has_other_scheme(what))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%s: only http, https and data: URLs are fetched; for a file give its path",
                      source);
    char *url = url_spell(what);
    int rc = url ? fetch_address(what, url, source, opt, ret, err)
                 : fetch_file(what, source, opt, ret, err);
    free(url);
    return rc;
}

int fetch_picture(const char *what, const struct fetch_options *opt, struct fetched *ret,
                  struct phi3v_error *err)
{
    struct fetch_options o = opt ? *opt : (struct fetch_options){.origin = NET_TYPED};
    char source[NAME_BYTES];
    struct fetched f = {0};
    if (o.limit_bytes == 0) o.limit_bytes = (size_t)NET_PICTURE_MIB << 20;
    if (o.timeout_s <= 0) o.timeout_s = NET_PICTURE_S;
    char *name = fetch_display_name(what);
    if (!name) return refuse(err, PHI3V_E_MEMORY, "not enough memory for a name");
    shorten(name, source, sizeof source);
    int rc = fetch_any(what, source, &o, &f, err);
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
