/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "net/transfer.h"

#include <stdlib.h>
#include <string.h>

#include "net/limits.h"

/* libcurl does not read the variables that its command-line tool and OpenSSL read. */
static const char *certificates(void)
{
    const char *file = getenv("CURL_CA_BUNDLE");
    if (!file || !*file) file = getenv("SSL_CERT_FILE");
    return file && *file ? file : NULL;
}

void transfer_setup(CURL *easy)
{
    if (certificates()) curl_easy_setopt(easy, CURLOPT_CAINFO, certificates());
    curl_easy_setopt(easy, CURLOPT_PROTOCOLS_STR, "http,https");
    curl_easy_setopt(easy, CURLOPT_FOLLOWLOCATION, 0L);
    curl_easy_setopt(easy, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(easy, CURLOPT_CONNECTTIMEOUT, NET_CONNECT_S);
    curl_easy_setopt(easy, CURLOPT_USERAGENT, "phiscope/" PHI3V_VERSION);
#if LIBCURL_VERSION_NUM >= 0x075700 /* otherwise stopping waits for the name server */
    curl_easy_setopt(easy, CURLOPT_QUICK_EXIT, 1L);
#endif
}

CURLcode transfer_run(CURLM *multi, CURL *easy, int (*stop)(void *user), void *user)
{
    CURLM *own = multi ? NULL : curl_multi_init();
    CURLcode result = CURLE_OUT_OF_MEMORY;
    int running = 1, left;
    if (!multi) multi = own;
    if (!multi || curl_multi_add_handle(multi, easy) != CURLM_OK) goto out;
    while (curl_multi_perform(multi, &running) == CURLM_OK && running) {
        if (stop && stop(user)) break;
        curl_multi_poll(multi, NULL, 0, NET_POLL_MS, NULL);
    }
    result = CURLE_ABORTED_BY_CALLBACK;
    const CURLMsg *message = curl_multi_info_read(multi, &left);
    if (message && message->msg == CURLMSG_DONE) result = message->data.result;
    curl_multi_remove_handle(multi, easy);
out:
    curl_multi_cleanup(own);
    return result;
}

/* -- Sentences -------------------------------------------------------------------------------- */

static int fail_connect(CURL *easy, const char *source, struct phi3v_error *err)
{
    long number = 0;
    curl_easy_getinfo(easy, CURLINFO_OS_ERRNO, &number);
    return refuse(err, PHI3V_E_IO, "%s: cannot connect (%s)", source,
                  number ? strerror((int)number) : "nobody answers");
}

/* When a proxy refuses a tunnel, the transfer ends with one of many codes. */
static int fail_tunnel(CURL *easy, const char *source, struct phi3v_error *err)
{
    long status = 0;
    curl_easy_getinfo(easy, CURLINFO_HTTP_CONNECTCODE, &status);
    if (status < 300) return 0;
    return refuse(err, PHI3V_E_IO, "%s: the proxy refused the connection (HTTP status %ld)%s",
                  source, status, status == 407 ? ": it needs a name and a password" : "");
}

/* The numbers are those of X509_verify_cert, passed on by libcurl; 0 and 1 mean that the name did
 * not match. */
static int fail_certificate(CURL *easy, const char *source, struct phi3v_error *err)
{
    long why = 0;
    curl_easy_getinfo(easy, CURLINFO_SSL_VERIFYRESULT, &why);
    const char *what = why == 9 || why == 10 ? "it is not valid at this date (is the clock right?)"
                       : why == 18 || why == 19 || why == 20 || why == 21
                           ? "it is signed by nobody known here (SSL_CERT_FILE names a file of "
                             "certificates to trust)"
                       : why <= 1 || why == 62 || why == 64 ? "it belongs to another host"
                                                            : "it is not valid";
    return refuse(err, PHI3V_E_IO, "%s: the server's certificate is not accepted: %s", source,
                  what);
}

static int fail_with(const char *source, const char *what, struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_IO, "%s: %s", source, what);
}

static int fail_broken(const char *source, int64_t n, struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_IO, "%s: the connection broke after %lld bytes: try again", source,
                  (long long)n);
}

int transfer_fail(CURL *easy, CURLcode code, const char *source, int64_t n, struct phi3v_error *err)
{
    int rc = code == CURLE_OUT_OF_MEMORY ? 0 : fail_tunnel(easy, source, err);
    if (rc) return rc;
    switch (code) {
    case CURLE_COULDNT_RESOLVE_HOST:
        return fail_with(source, "the host is not known, or there is no network", err);
    case CURLE_COULDNT_RESOLVE_PROXY:
        return fail_with(source, "the proxy that the environment names is not known", err);
    case CURLE_PROXY:
        return fail_with(source, "the proxy does not answer as one", err);
    case CURLE_COULDNT_CONNECT:
        return fail_connect(easy, source, err);
    case CURLE_OPERATION_TIMEDOUT:
        return refuse(err, PHI3V_E_IO, "%s: timeout: %lld bytes had come", source, (long long)n);
    case CURLE_GOT_NOTHING:
        return fail_with(source, "the server closed the connection without an answer", err);
    case CURLE_PARTIAL_FILE:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        return fail_broken(source, n, err);
    case CURLE_WEIRD_SERVER_REPLY:
    case CURLE_UNSUPPORTED_PROTOCOL:
        return fail_with(source, "what answers there does not speak HTTP", err);
    case CURLE_BAD_CONTENT_ENCODING:
        return fail_with(source, "its compressed answer is damaged or of an unknown kind", err);
    case CURLE_SSL_CONNECT_ERROR:
        return fail_with(source,
                         "no encrypted connection came about; perhaps the server speaks plain "
                         "http:// there",
                         err);
    case CURLE_PEER_FAILED_VERIFICATION:
        return fail_certificate(easy, source, err);
    case CURLE_SSL_CACERT_BADFILE:
        return refuse(err, PHI3V_E_IO, "%s: the certificates in %.200s cannot be read", source,
                      certificates() ? certificates() : "the system's folder");
    case CURLE_URL_MALFORMAT:
        return refuse(err, PHI3V_E_ARGUMENT, "%s is not a valid URL", source);
    case CURLE_OUT_OF_MEMORY:
        return net_fail_memory(err, source);
    default:
        return refuse(err, PHI3V_E_IO, "%s: the transfer failed (libcurl's code %d)", source,
                      (int)code);
    }
}

/* -- Trying again ----------------------------------------------------------------------------- */

bool transfer_is_busy(long s)
{
    return s == 408 || s == 429 || s == 500 || s == 502 || s == 503 || s == 504;
}

bool transfer_broke(CURLcode code)
{
    return code == CURLE_COULDNT_CONNECT || code == CURLE_OPERATION_TIMEDOUT ||
           code == CURLE_GOT_NOTHING || code == CURLE_RECV_ERROR || code == CURLE_SEND_ERROR ||
           code == CURLE_PARTIAL_FILE || code == CURLE_HTTP2 || code == CURLE_HTTP2_STREAM;
}
