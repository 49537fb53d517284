/* SPDX-License-Identifier: MIT
 * The http(s) side of fetch.h. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "net/fetch.h"

/* url: as url_spell gives it; source: the same for people. Writes ret->bytes and n_bytes only. */
int fetch_http(const char *url, const char *source, const struct fetch_options *opt,
               struct fetched *ret, struct phi3v_error *err);

#endif
