/* SPDX-License-Identifier: GPL-3.0-or-later
 * The socket that the server listens on. */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <stdbool.h>

#include "phi3v.h"

struct listening {
    int fd;
    bool loopback; // only this machine can reach it
    char name[80]; // "127.0.0.1:8080", "[::1]:8080"
};

/* host is a name or an address; port 0 means any free one. Errors: ARGUMENT (no such host), IO. */
int listen_at(const char *host, int port, struct listening *ret, struct phi3v_error *err);

#endif
