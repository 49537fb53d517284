/* SPDX-License-Identifier: MIT
 * The bytes of a picture from wherever a person points: a path, an http(s) URL, a data: URL, or -
 * for the standard input. Bounded in size and time, private addresses guarded, and every failure is
 * one clean sentence.
 *
 * This part of the program knows neither cells nor the terminal nor signals: progress goes out and
 * the wish to stop comes in through one callback, and who named the address is an argument. */
#ifndef NET_FETCH_H
#define NET_FETCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "phi3v.h"

/* done of total bytes (total 0: unknown); non-zero cancels. */
typedef int (*fetch_progress_fn)(int64_t done, int64_t total, void *user);

/* Who named an address: that decides whether it may lie in a private network. */
enum net_origin {
    NET_TYPED,  /* a person, here: private addresses are theirs to reach (but a redirect from a
                   public to a private one is not followed) */
    NET_FILE,   /* a notebook or another file: public addresses only */
    NET_REQUEST /* somebody's request over the network: public addresses only */
};

struct fetch_options {
    enum net_origin origin;
    size_t limit_bytes;            /* 0: NET_PICTURE_MIB of limits.h */
    double timeout_s;              /* 0: NET_PICTURE_S; of a URL's whole transfer */
    bool allow_private;            /* --allow-private-urls: whatever the origin */
    bool offline;                  /* --offline: URLs are refused */
    int in_fd;                     /* what "-" reads: 0 */
    fetch_progress_fn on_progress; /* may be NULL; called ten times a second, also while waiting */
    void *user;
    /* Says from its first bytes that a download is no picture; what came of it is then the result,
     * so that the decoder names it. May be NULL. */
    bool (*is_hopeless)(const void *bytes, size_t n_bytes);
};

struct fetched {
    uint8_t *bytes;
    size_t n_bytes;
    char *source; /* for people: clean, without user:password@; "data:image/png" for data: URLs */
};

/* Once, before threads start. */
void fetch_global_init(void);
void fetch_global_fini(void);
/* libcurl and what it is built with, for bug reports. */
const char *fetch_library(void);

/* "http://…", "https://…" or "data:…" (any case), also in <…>; "www.…" where no file is so named.
 */
bool fetch_is_url(const char *what);

/* Errors: IO (missing, 404, timeout, refused, …), IMAGE (too large, empty), ARGUMENT (not a URL or
 * data: URL one can read, or one without its secret), CANCELLED. opt NULL: typed by a person. */
int fetch_picture(const char *what, const struct fetch_options *opt, struct fetched *ret,
                  struct phi3v_error *err);
void fetched_fini(struct fetched *f);

/* The path or URL as it may be shown: clean, without passwords and signatures. New string (free).
 * What is stored is url_without_secrets of url.h, which keeps the text as it is otherwise. */
char *fetch_display_name(const char *what);

#endif
