/* SPDX-License-Identifier: MIT
 * Server-sent events, in which chat servers stream their answers: lines "data: …" up to an empty
 * one are an event. Bytes may be cut anywhere; lines end in LF, CR or both. */
#ifndef NET_SSE_H
#define NET_SSE_H

#include <stdbool.h>
#include <stddef.h>

#include "net/bytes.h"

struct sse { // zero-initialise
    struct bytes line, data;
    bool has_data; // of the present event
    bool after_cr; // a line feed that comes next belongs to it
    bool begun;    // behind a byte order mark
};

/* data: [n], the event's data lines with line feeds between them. Non-zero ends the feeding. */
typedef int (*sse_fn)(const char *data, size_t n, void *user);

/* 0, what fn returned, or what bytes_add did. An event that the stream's end cuts off is none. */
int sse_feed(struct sse *s, const char *bytes, size_t n, sse_fn fn, void *user);
void sse_fini(struct sse *s);

#endif
