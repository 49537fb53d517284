/* SPDX-License-Identifier: GPL-3.0-or-later
 * The API keys that clients may use, from a file with one per line. */
#ifndef SERVE_API_KEYS_H
#define SERVE_API_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "phi3v.h"

struct api_keys {
    unsigned char (*digests)[32]; // [n]; NULL: no key is needed
    size_t n;
};

/* Skips blank lines and those that begin with #. Errors: IO (also for a file without a key). */
int api_keys_read(const char *path, struct api_keys *ret, struct phi3v_error *err);
void api_keys_free(struct api_keys *k);
/* The number of the key in an Authorization header (may be NULL), or -1. The time it takes does not
 * depend on how much of a wrong key is right. */
int api_keys_find(const struct api_keys *k, const char *authorization);

#endif
