/* SPDX-License-Identifier: MIT
 * Server-sent events, in which chat servers stream their answers: an event is a series of lines
 * "data: …" up to an empty line; llama-server sends an error as "error: …", which counts as data.
 * Pieces may be cut anywhere; lines end in LF, CR or both. */
#ifndef NET_SSE_H
#define NET_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "net/bytes.h"

struct sse { // zero-initialise
    struct bytes line, data;
    bool has_data; // of the present event
    bool after_cr; // a line feed that follows belongs to the CR
    bool begun;    // past a byte order mark
};

/* data: [n], the event's data lines with line feeds between them. Non-zero ends the feeding. */
typedef int (*sse_fn)(const char *data, size_t n, void *user);

/* Returns 0, what fn returned, or what bytes_add did. An event cut off by the stream's end is
 * dropped. */
int sse_feed(struct sse *s, const char *bytes, size_t n, sse_fn fn, void *user);
void sse_fini(struct sse *s);

#endif
