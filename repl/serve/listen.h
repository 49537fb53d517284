/* SPDX-License-Identifier: GPL-3.0-or-later
 * The socket that a server listens at. */
#ifndef SERVE_LISTEN_H
#define SERVE_LISTEN_H

#include <stdbool.h>

#include "phi3v.h"

struct listening {
    int fd;
    bool loopback; // only this machine can reach it
    char name[80]; // "127.0.0.1:8080", "[::1]:8080"
};

/* host: a name or address; port 0: any that is free. Errors: ARGUMENT (no such host), IO. */
int listen_at(const char *host, int port, struct listening *ret, struct phi3v_error *err);

#endif
