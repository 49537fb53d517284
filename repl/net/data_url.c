/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "net/data_url.h"

#include <limits.h>
#include <openssl/evp.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/error.h"
#include "net/url.h"

#define SOURCE "the data: URL"

/* Normalises in place: no blanks, the usual alphabet, padded. s has room for three more bytes.
 * Returns the new length. */
static size_t normalise_base64(uint8_t *s, size_t n)
{
    size_t to = 0;
    for (size_t i = 0; i < n; i++) {
        if (strchr(" \t\r\n\f", s[i]) && s[i]) continue;
        s[to++] = s[i] == '-' ? '+' : s[i] == '_' ? '/' : s[i];
    }
    while (to > 0 && s[to - 1] == '=') to--;
    for (size_t pad = (4 - to % 4) % 4; pad > 0 && pad < 3; pad--) s[to++] = '=';
    return to;
}

static int base64_decode(const uint8_t *s, size_t n, uint8_t *to, size_t *ret_n)
{
    EVP_ENCODE_CTX *ctx = EVP_ENCODE_CTX_new();
    int part = 0, rest = 0, rc = -1;
    if (ctx && n <= INT_MAX) {
        EVP_DecodeInit(ctx);
        if (EVP_DecodeUpdate(ctx, to, &part, s, (int)n) >= 0 &&
            EVP_DecodeFinal(ctx, to + part, &rest) == 1) {
            *ret_n = (size_t)part + (size_t)rest;
            rc = 0;
        }
    }
    EVP_ENCODE_CTX_free(ctx);
    return rc;
}

static int decode_base64_url(uint8_t *text, size_t n, struct fetched *ret, struct phi3v_error *err)
{
    n = normalise_base64(text, n);
    uint8_t *bytes = malloc(n + 1);
    if (!bytes) return net_fail_memory(err, SOURCE);
    if (base64_decode(text, n, bytes, &ret->n_bytes) != 0) {
        free(bytes);
        return refuse(err, PHI3V_E_ARGUMENT, "the base64 of the data: URL is damaged or cut off");
    }
    ret->bytes = bytes;
    return 0;
}

int fetch_data_url(const char *url, size_t limit_bytes, struct fetched *ret,
                   struct phi3v_error *err)
{
    const char *comma = strchr(url, ',');
    if (!comma) return refuse(err, PHI3V_E_ARGUMENT, "a data: URL needs a comma before the data");
    bool base64 = comma - url >= 12 && !strncasecmp(comma - 7, ";base64", 7);
    size_t n = strlen(comma + 1);
    if (n / 4 > limit_bytes) n = 4 * limit_bytes + 4; /* still too large, whatever it decodes to */
    uint8_t *text = malloc(n + 4);
    if (!text) return net_fail_memory(err, SOURCE);
    memcpy(text, comma + 1, n);
    n = url_decode((char *)text, n, (char *)text);
    if (!base64) {
        ret->bytes = text;
        ret->n_bytes = n;
        return 0;
    }
    int rc = decode_base64_url(text, n, ret, err);
    free(text);
    return rc;
}
