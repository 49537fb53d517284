/* SPDX-License-Identifier: GPL-3.0-or-later
 * The keys that clients may come with, one a line of a file. */
#ifndef SERVE_API_KEYS_H
#define SERVE_API_KEYS_H

#include <stdbool.h>
#include <stddef.h>

#include "phi3v.h"

struct api_keys {
    unsigned char (*digests)[32]; // [n]; NULL: none is wanted
    size_t n;
};

/* Blank lines and those that begin with # are left out. Errors: IO (also a file without a key). */
int api_keys_read(const char *path, struct api_keys *ret, struct phi3v_error *err);
void api_keys_free(struct api_keys *k);
/* Which key an Authorization header (may be NULL) brings: its number, or -1. Takes as long for
 * every wrong one. */
int api_keys_find(const struct api_keys *k, const char *authorization);

#endif
