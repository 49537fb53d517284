/* SPDX-License-Identifier: MIT
 * What every request to a server has in common, whether for a picture or for a model's file: how
 * libcurl is set up and driven, and one sentence for each way it fails. */
#ifndef NET_TRANSFER_H
#define NET_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "net/error.h"

/* Agent, certificates, protocols, timeouts; no redirects, no signals. */
void transfer_setup(CURL *easy);

/* Runs one request. stop is asked ten times a second, however quiet the server is; non-zero ends
 * the request with CURLE_ABORTED_BY_CALLBACK. Connections live on in multi; NULL: they end with the
 * request. */
CURLcode transfer_run(CURLM *multi, CURL *easy, int (*stop)(void *user), void *user);

double transfer_clock_s(void); /* seconds of a clock that only goes forward */

/* The sentence for a transfer that failed with code after n bytes. source: the address for people.
 * Errors: IO, ARGUMENT (no valid address), MEMORY. */
int transfer_fail(CURL *easy, CURLcode code, const char *source, int64_t n,
                  struct phi3v_error *err);

/* Whether another try may help: behind an HTTP status, behind a connection that did not hold. */
bool transfer_is_busy(long status);
bool transfer_broke(CURLcode code);

#endif
