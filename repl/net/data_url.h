/* SPDX-License-Identifier: MIT
 * The data: side of fetch.h. */
#ifndef NET_DATA_URL_H
#define NET_DATA_URL_H

#include "net/fetch.h"

/* data:[type][;base64],… percent-decoded; base64 also in the URL alphabet, with blanks, without
 * padding. The limit is the caller's to check on the result; here it only bounds the work. */
int fetch_data_url(const char *url, size_t limit_bytes, struct fetched *ret,
                   struct phi3v_error *err);

#endif
