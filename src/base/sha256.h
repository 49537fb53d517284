/* SPDX-License-Identifier: MIT
 * SHA-256 through libcrypto, as lower-case hex. */
#ifndef BASE_SHA256_H
#define BASE_SHA256_H

#include "base/err.h"
#include "base/stop.h"

struct sha256_part {
    const void *data;
    size_t n_bytes;
};

/* The digest of all parts in order. Errors: CANCELLED (by stop), IO (libcrypto fails). */
int sha256_hex(const struct sha256_part *parts, int n_parts, struct stop *stop, char ret_hex[65],
               struct phi3v_error *err);

#endif
