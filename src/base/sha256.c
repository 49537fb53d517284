/* SPDX-License-Identifier: MIT */
#include "base/sha256.h"

#include <openssl/evp.h>

enum { PIECE_BYTES = 16 << 20 }; /* a few hundredths of a second */

static int add_part(EVP_MD_CTX *ctx, const struct sha256_part *part, struct stop *stop)
{
    const char *data = part->data;
    for (size_t left = part->n_bytes, n; left > 0; left -= n, data += n) {
        n = left < PIECE_BYTES ? left : PIECE_BYTES;
        if (stop_asked(stop) || !EVP_DigestUpdate(ctx, data, n)) return 0;
    }
    return 1;
}

int sha256_hex(const struct sha256_part *parts, int n_parts, struct stop *stop, char ret_hex[65],
               struct phi3v_error *err)
{
    static const char digits[] = "0123456789abcdef";
    unsigned char digest[32];
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    int ok = ctx && EVP_DigestInit_ex(ctx, EVP_sha256(), NULL);
    for (int i = 0; ok && i < n_parts; i++) ok = add_part(ctx, &parts[i], stop);
    ok = ok && EVP_DigestFinal_ex(ctx, digest, NULL);
    EVP_MD_CTX_free(ctx);
    if (!ok && stop && stop->seen)
        return err_set(err, PHI3V_E_CANCELLED, "computing a digest was cancelled");
    if (!ok) return err_set(err, PHI3V_E_IO, "libcrypto could not compute a SHA-256 digest");
    for (int i = 0; i < 32; i++) {
        ret_hex[2 * i] = digits[digest[i] >> 4];
        ret_hex[2 * i + 1] = digits[digest[i] & 15];
    }
    ret_hex[64] = 0;
    return 0;
}
