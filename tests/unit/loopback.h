/* SPDX-License-Identifier: GPL-3.0-or-later
 * A small HTTP server on 127.0.0.1 in a thread, for tests. What a path answers:
 *   /pic.png      the bytes given, Content-Type text/plain (content decides)
 *   /page         a web page with status 200        /empty       200 without bytes
 *   /redirect     302 to /pic.png                   /loop        302 to itself
 *   /file         302 to file:///etc/hostname       /private     302 to
 * http://127.0.0.1:PORT/pic.png /big          a Content-Length of 1 TB          /chunked     chunks
 * without end /partial      half of what Content-Length says  /slow        a header, then nothing
 *   /500, /403    these statuses; everything else 404, each with a body that tries to be nasty
 * A request with an absolute URI (as to a proxy) is answered by its path. */
#ifndef TESTS_LOOPBACK_H
#define TESTS_LOOPBACK_H

#include <stddef.h>

struct loopback;

struct loopback *loopback_start(const void *picture, size_t n_bytes);
int loopback_port(const struct loopback *server);
void loopback_stop(struct loopback *server);

#endif
