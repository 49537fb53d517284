/* SPDX-License-Identifier: MIT
 * Fetches the bytes of a picture from a path, an http(s) URL, a data: URL, or - for standard input.
 * Size and time are limited, private addresses are guarded, and every failure is one clean
 * sentence.
 *
 * This part knows neither cells nor the terminal nor signals: one callback reports progress and
 * asks whether to stop, and an argument says who named the address. */
#ifndef NET_FETCH_H
#define NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phi3v.h"

/* done of total bytes (total 0: unknown); non-zero cancels. */
typedef int (*fetch_progress_fn)(int64_t done, int64_t total, void *user);

/* Who named an address, which decides whether it may be in a private network. */
enum net_origin {
    NET_TYPED,  /* a person, here: private addresses are allowed (but a redirect from a public
                   to a private one is not followed) */
    NET_FILE,   /* a notebook or another file: public addresses only */
    NET_REQUEST /* a request over the network: public addresses only */
};

struct fetch_options {
    enum net_origin origin;
    size_t limit_bytes;            /* 0: NET_PICTURE_MIB of limits.h */
    double timeout_s;              /* 0: NET_PICTURE_S; of a URL's whole transfer */
    bool allow_private;            /* --allow-private-urls: for every origin */
    bool offline;                  /* --offline: URLs are refused */
    int in_fd;                     /* what "-" reads: 0 */
    fetch_progress_fn on_progress; /* may be NULL; called ten times a second, also while waiting */
    void *user;
    /* Says from a download's first bytes that it is no picture; these bytes are then the result, so
     * that the decoder can name the format. May be NULL. */
    bool (*is_hopeless)(const void *bytes, size_t n_bytes);
};

struct fetched {
    uint8_t *bytes;
    size_t n_bytes;
    char *source; /* for people: clean, without user:password@; "data:image/png" for data: URLs */
};

/* Call once, before threads start. */
void fetch_global_init(void);
void fetch_global_fini(void);
/* The versions of libcurl and its libraries, for bug reports. */
const char *fetch_library(void);

/* Whether it is "http://…", "https://…" or "data:…" (any case), also in <…>, or "www.…" if no file
 * has that name. */
bool fetch_is_url(const char *what);

/* Errors: IO (missing, 404, timeout, refused, …), IMAGE (too large, empty), ARGUMENT (an invalid
 * URL or data: URL, or one without its secret), CANCELLED. opt NULL: typed by a person. */
int fetch_picture(const char *what, const struct fetch_options *opt, struct fetched *ret,
                  struct phi3v_error *err);
void fetched_fini(struct fetched *f);

/* The path or URL in a form safe to show: clean, without passwords and signatures. New string
 * (free). To store one, use url_without_secrets of url.h, which leaves the rest unchanged. */
char *fetch_display_name(const char *what);

#endif
