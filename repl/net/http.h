/* SPDX-License-Identifier: MIT
 * The http(s) side of fetch.h. */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "net/fetch.h"

/* url: from url_spell; source: the same for people. Writes only ret->bytes and n_bytes. */
int fetch_http(const char *url, const char *source, const struct fetch_options *opt,
               struct fetched *ret, struct phi3v_error *err);

#endif
