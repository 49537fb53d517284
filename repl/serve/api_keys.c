/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "serve/api_keys.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <openssl/crypto.h>
#include <openssl/evp.h>

#include "common/files.h"
#include "common/must.h"

enum { MAX_FILE = 1 << 20, DIGEST = 32 };

/* Digests have one length, so comparing them does not reveal the length of a key. */
static void digest(const char *key, size_t n, unsigned char ret[DIGEST])
{
    if (!EVP_Digest(key, n, ret, NULL, EVP_sha256(), NULL)) must(NULL);
}

static void add(struct api_keys *k, const char *key, size_t n)
{
    k->digests = xgrow(k->digests, k->n + 1, sizeof *k->digests);
    digest(key, n, k->digests[k->n++]);
}

int api_keys_read(const char *path, struct api_keys *ret, struct phi3v_error *err)
{
    struct api_keys k = {0};
    char *bytes, *line, *rest;
    size_t n;
    int rc = load_file(path, MAX_FILE, &bytes, &n, err);
    if (rc) return rc;
    for (line = strtok_r(bytes, "\r\n", &rest); line; line = strtok_r(NULL, "\r\n", &rest)) {
        line += strspn(line, " \t");
        size_t length = strlen(line);
        while (length > 0 && strchr(" \t", line[length - 1])) length--;
        if (length > 0 && *line != '#') add(&k, line, length);
    }
    OPENSSL_cleanse(bytes, n);
    free(bytes);
    if (k.n == 0) return refuse(err, PHI3V_E_IO, "%.300s has no key: write one per line", path);
    *ret = k;
    return 0;
}

void api_keys_free(struct api_keys *k)
{
    free(k->digests);
    *k = (struct api_keys){0};
}

int api_keys_find(const struct api_keys *k, const char *authorization)
{
    static const char bearer[] = "Bearer ";
    unsigned char given[DIGEST];
    int found = -1;
    bool is_bearer = authorization && !strncasecmp(authorization, bearer, sizeof bearer - 1);
    const char *key = is_bearer ? authorization + sizeof bearer - 1 : "";
    key += strspn(key, " ");
    digest(key, strlen(key), given);
    for (size_t i = 0; i < k->n; i++)
        if (!CRYPTO_memcmp(given, k->digests[i], DIGEST)) found = (int)i;
    return is_bearer ? found : -1;
}
