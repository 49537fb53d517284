/* SPDX-License-Identifier: MIT
 * The data: side of fetch.h. */
#ifndef NET_DATA_URL_H
#define NET_DATA_URL_H

#include "net/fetch.h"

/* Decodes data:[type][;base64],…: percent-encoding, and base64 also in the URL alphabet, with
 * blanks, or without padding. The caller checks the limit on the result; here it only bounds the
 * work. */
int fetch_data_url(const char *url, size_t limit_bytes, struct fetched *ret,
                   struct phi3v_error *err);

#endif
