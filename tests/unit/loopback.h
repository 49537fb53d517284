/* SPDX-License-Identifier: GPL-3.0-or-later
 * A small HTTP server on loopback for tests: each connection is answered on a thread of its own by
 * a function of the test, once, and closed. It counts what was connected. */
#ifndef TESTS_LOOPBACK_H
#define TESTS_LOOPBACK_H

#include <stdbool.h>
#include <stddef.h>

struct loopback;

struct loopback_request {
    struct loopback *server;
    int fd;
    void *tls; /* the connection's SSL, or NULL */
    char method[8];
    char path[4096];  /* without a query; of an absolute URI (as to a proxy) the path of it */
    char query[4096]; /* without "?" */
    char host[256];   /* of an absolute URI, else "" */
    char head[8192];  /* as it came */
};

typedef void (*loopback_fn)(struct loopback_request *r, void *user);

/* Servers listen on 127.0.0.1, or on every address of the machine: for a test in a network
 * namespace of its own. */
extern bool loopback_everywhere;

/* answer is called on several threads at once. */
struct loopback *loopback_start(loopback_fn answer, void *user);
/* The same over TLS with a certificate of its own for localhost, valid from begin_s to end_s
 * (seconds from now). cert_file (may be NULL): where to write it. */
struct loopback *loopback_start_tls(loopback_fn answer, void *user, const char *cert_file,
                                    long begin_s, long end_s);
/* What this thread did before is seen by those that answer from now on, and the other way round. */
void loopback_meet(struct loopback *server);
int loopback_port(const struct loopback *server);
int loopback_accepted(struct loopback *server); /* connections so far */
void loopback_stop(struct loopback *server);

/* A port of loopback that is bound but refuses connections, as long as *ret_fd is open. */
int loopback_closed_port(int *ret_fd);

/* Value of a header of the request in buf; false: there is none. */
bool loopback_header(const struct loopback_request *r, const char *name, char *buf, size_t size);

/* What is sent after the other side has gone is dropped; false says so. */
bool loopback_send(struct loopback_request *r, const void *bytes, size_t n);
bool loopback_sendf(struct loopback_request *r, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Waits until the other side has gone, the server stops, or seconds have passed. */
void loopback_wait(struct loopback_request *r, double seconds);
/* Ends the connection with a reset instead of an end. */
void loopback_reset(struct loopback_request *r);

#endif
