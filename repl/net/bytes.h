/* SPDX-License-Identifier: MIT
 * Bytes that arrive piece by piece over a connection, up to a limit. */
#ifndef NET_BYTES_H
#define NET_BYTES_H

#include <stddef.h>

struct bytes {  // zero-initialise
    char *data; // [n], then a NUL; NULL while there is nothing
    size_t n, cap;
};

enum { BYTES_TOO_MANY = -1, BYTES_NO_MEMORY = -2 };
/* Appends n bytes, up to `most` in total. Returns 0 or one of the above; then nothing has
 * changed. */
int bytes_add(struct bytes *b, const void *more, size_t n, size_t most);
/* The bytes as a string, "" while there are none. */
const char *bytes_text(const struct bytes *b);
void bytes_fini(struct bytes *b);

#endif
