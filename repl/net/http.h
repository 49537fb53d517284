/* SPDX-License-Identifier: GPL-3.0-or-later
 * The http(s) side of fetch.h. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "net/fetch.h"

/* source: the URL for people. Writes ret->bytes and n_bytes only. */
int fetch_http(const char *url, const char *source, const struct fetch_options *opt,
               struct fetched *ret, struct phi3v_error *err);
/* Fills *err (may be NULL) and returns code. */
int fetch_fail(struct phi3v_error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* The URL for people: no user and password, no signatures, host in ASCII; not yet cleaned. New
 * string (free); NULL: not a URL, or without memory. */
char *fetch_http_name(const char *url);
/* Loopback, link-local, private, unique-local, multicast, unspecified, shared: not the public
 * network. address is numeric; what is not an address counts as private. */
bool fetch_is_private(const char *address);

#endif
