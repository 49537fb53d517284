/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "serve/listen.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "common/text.h"

static bool is_loopback(const struct sockaddr *a)
{
    if (a->sa_family == AF_INET6)
        return IN6_IS_ADDR_LOOPBACK(&((const struct sockaddr_in6 *)(const void *)a)->sin6_addr);
    const struct sockaddr_in *in = (const void *)a;
    return ntohl(in->sin_addr.s_addr) >> 24 == 127;
}

/* Writes address and port as in a URL. */
static void name_of(const struct sockaddr *a, socklen_t n, struct listening *l)
{
    char host[48] = "?", port[8] = "0";
    getnameinfo(a, n, host, sizeof host, port, sizeof port, NI_NUMERICHOST | NI_NUMERICSERV);
    snprintf(l->name, sizeof l->name, a->sa_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}

static int open_at(const struct addrinfo *at, struct listening *ret)
{
    struct sockaddr_storage bound = {0};
    socklen_t n = sizeof bound;
    int on = 1, fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    if (bind(fd, at->ai_addr, at->ai_addrlen) || listen(fd, SOMAXCONN) ||
        getsockname(fd, (struct sockaddr *)&bound, &n)) {
        int why = errno;
        close(fd);
        return why;
    }
    *ret = (struct listening){.fd = fd, .loopback = is_loopback((struct sockaddr *)&bound)};
    name_of((struct sockaddr *)&bound, n, ret);
    return 0;
}

int listen_at(const char *host, int port, struct listening *ret, struct phi3v_error *err)
{
    char service[8];
    struct addrinfo how = {.ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found;
    snprintf(service, sizeof service, "%d", port);
    int no = getaddrinfo(host, service, &how, &found);
    if (no)
        return refuse(err, PHI3V_E_ARGUMENT, "%.100s is not an address to listen on: %s", host,
                      gai_strerror(no));
    int why = EADDRNOTAVAIL;
    for (const struct addrinfo *at = found; at && why; at = at->ai_next) why = open_at(at, ret);
    freeaddrinfo(found);
    if (!why) return 0;
    return refuse(err, PHI3V_E_IO, "cannot listen on %.100s port %d: %s%s", host, port,
                  strerror(why), why == EADDRINUSE ? "; --port names another" : "");
}
