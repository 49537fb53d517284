/* SPDX-License-Identifier: MIT */
#include "base/sha256.h"

#include <openssl/evp.h>

int sha256_hex(const struct sha256_part *parts, int n_parts, char ret_hex[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[32];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx) return -1;
    int ok = EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (int i = 0; ok && i < n_parts; i++)
        ok = EVP_DigestUpdate(ctx, parts[i].data, parts[i].n_bytes);
    ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    if (!ok) return -1;
    for (int i = 0; i < 32; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[64] = 0;
    return 0;
}
