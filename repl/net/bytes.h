/* SPDX-License-Identifier: MIT
 * What comes over a connection piece by piece, up to a bound. */
#ifndef NET_BYTES_H
#define NET_BYTES_H

#include <stddef.h>

struct bytes {  // zero-initialise
    char *data; // [n] and a NUL behind; NULL while there was nothing
    size_t n, cap;
};

enum { BYTES_TOO_MANY = -1, BYTES_NO_MEMORY = -2 };
/* Appends n more, to at most `most` of all. 0, or one of the above; then nothing is changed. */
int bytes_add(struct bytes *b, const void *more, size_t n, size_t most);
/* A string, "" while there was nothing. */
const char *bytes_text(const struct bytes *b);
void bytes_fini(struct bytes *b);

#endif
