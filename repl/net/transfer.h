/* SPDX-License-Identifier: MIT
 * What all requests to servers share, for pictures and for model files: setting up and running
 * libcurl, and one message for each failure. */
#ifndef NET_TRANSFER_H
#define NET_TRANSFER_H

#include <curl/curl.h>
#include <stdbool.h>
#include <stdint.h>

#include "common/clock.h"
#include "net/error.h"

/* Sets the agent, certificates, protocols and timeouts; no redirects, no signals. */
void transfer_setup(CURL *easy);

/* Runs one request. stop is called ten times a second, however quiet the server is; non-zero ends
 * the request with CURLE_ABORTED_BY_CALLBACK. Connections are kept in multi; NULL: they end with
 * the request. */
CURLcode transfer_run(CURLM *multi, CURL *easy, int (*stop)(void *user), void *user);

/* Sets the error for a transfer that failed with code after n bytes. source: the address for
 * people. Errors: IO, ARGUMENT (no valid address), MEMORY. */
int transfer_fail(CURL *easy, CURLcode code, const char *source, int64_t n,
                  struct phi3v_error *err);

/* Whether another try may help after an HTTP status, or after a connection that broke. */
bool transfer_is_busy(long status);
bool transfer_broke(CURLcode code);

#endif
