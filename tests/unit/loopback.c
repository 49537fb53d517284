/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "loopback.h"

#include <netinet/in.h>
#include <poll.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct loopback {
    int listener, port;
    int stop[2]; /* a pipe: closing its end ends every wait */
    pthread_t thread;
    const void *picture;
    size_t n_bytes;
};

static void send_all(int fd, const void *bytes, size_t n)
{
    const char *p = bytes;
    while (n > 0) {
        ssize_t done = send(fd, p, n, MSG_NOSIGNAL);
        if (done <= 0) return;
        p += done;
        n -= (size_t)done;
    }
}

static void send_text(int fd, const char *s) { send_all(fd, s, strlen(s)); }

/* Waits until the other side has gone, or the server stops. */
static void wait_gone(const struct loopback *s, int fd)
{
    struct pollfd p[2] = {{.fd = fd, .events = POLLIN}, {.fd = s->stop[0], .events = POLLIN}};
    poll(p, 2, 10000);
}

static void send_redirect(int fd, const char *to)
{
    char head[300];
    snprintf(head, sizeof head,
             "HTTP/1.1 302 Found\r\nLocation: %s\r\nContent-Length: 0\r\nConnection: close\r\n\r\n",
             to);
    send_text(fd, head);
}

static void send_status(int fd, const char *status)
{
    static const char body[] = "\033]0;owned\a<html>no</html>";
    char head[300];
    snprintf(head, sizeof head, "HTTP/1.1 %s\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
             status, sizeof body - 1, body);
    send_text(fd, head);
}

static void send_picture(const struct loopback *s, int fd, size_t claimed, size_t sent)
{
    char head[200];
    snprintf(head, sizeof head,
             "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: %zu\r\n"
             "Connection: close\r\n\r\n",
             claimed);
    send_text(fd, head);
    send_all(fd, s->picture, sent);
}

static void send_chunks(int fd)
{
    char chunk[4096 + 8];
    int n = snprintf(chunk, sizeof chunk, "1000\r\n");
    memset(chunk + n, 'x', 4096);
    memcpy(chunk + n + 4096, "\r\n", 2);
    send_text(fd, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n");
    for (int i = 0; i < 2500; i++) send_all(fd, chunk, (size_t)n + 4096 + 2); /* 10 MB */
}

static void answer(const struct loopback *s, int fd, const char *path)
{
    char url[100];
    snprintf(url, sizeof url, "http://127.0.0.1:%d/pic.png", s->port);
    if (!strcmp(path, "/pic.png")) {
        send_picture(s, fd, s->n_bytes, s->n_bytes);
    } else if (!strcmp(path, "/partial")) {
        send_picture(s, fd, s->n_bytes, s->n_bytes / 2);
    } else if (!strcmp(path, "/big")) {
        send_picture(s, fd, (size_t)1 << 40, s->n_bytes);
    } else if (!strcmp(path, "/empty")) {
        send_picture(s, fd, 0, 0);
    } else if (!strcmp(path, "/page")) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\n\r\n"
                      "\n  <!DOCTYPE html><title>x</title>");
    } else if (!strcmp(path, "/chunked")) {
        send_chunks(fd);
    } else if (!strcmp(path, "/slow")) {
        send_text(fd, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n");
        wait_gone(s, fd);
    } else if (!strcmp(path, "/redirect") || !strcmp(path, "/private")) {
        send_redirect(fd, path[1] == 'r' ? "/pic.png" : url);
    } else if (!strcmp(path, "/loop") || !strcmp(path, "/file")) {
        send_redirect(fd, path[1] == 'l' ? "/loop" : "file:///etc/hostname");
    } else {
        send_status(fd, !strcmp(path, "/500")   ? "500 Internal \033[31mError"
                        : !strcmp(path, "/403") ? "403 Forbidden"
                                                : "404 Not Found");
    }
}

static void serve_one(const struct loopback *s, int fd)
{
    char request[4096] = "", uri[2048] = "";
    size_t n = 0;
    while (n < sizeof request - 1 && !strstr(request, "\r\n\r\n")) {
        ssize_t got = recv(fd, request + n, sizeof request - 1 - n, 0);
        if (got <= 0) return;
        n += (size_t)got;
        request[n] = 0;
    }
    if (sscanf(request, "GET %2047s ", uri) != 1) return;
    char *host = strncmp(uri, "http://", 7) ? NULL : uri + 7;
    char *path = host ? strchr(host, '/') : uri;
    if (path) path[strcspn(path, "?#")] = 0;
    answer(s, fd, path ? path : "/");
    shutdown(fd, SHUT_WR);
}

static void *serve(void *arg)
{
    struct loopback *s = arg;
    for (;;) {
        struct pollfd p[2] = {{.fd = s->listener, .events = POLLIN},
                              {.fd = s->stop[0], .events = POLLIN}};
        if (poll(p, 2, -1) < 0 || p[1].revents) return NULL;
        int fd = accept(s->listener, NULL, NULL);
        if (fd < 0) continue;
        serve_one(s, fd);
        close(fd);
    }
}

struct loopback *loopback_start(const void *picture, size_t n_bytes)
{
    struct loopback *s = calloc(1, sizeof *s);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    if (!s) abort();
    s->picture = picture;
    s->n_bytes = n_bytes;
    s->listener = socket(AF_INET, SOCK_STREAM, 0);
    if (s->listener < 0 || bind(s->listener, (struct sockaddr *)&address, size) != 0 ||
        listen(s->listener, 16) != 0 ||
        getsockname(s->listener, (struct sockaddr *)&address, &size) != 0 || pipe(s->stop) != 0)
        abort();
    s->port = ntohs(address.sin_port);
    if (pthread_create(&s->thread, NULL, serve, s) != 0) abort();
    return s;
}

int loopback_port(const struct loopback *server) { return server->port; }

void loopback_stop(struct loopback *server)
{
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    close(server->stop[0]);
    close(server->listener);
    free(server);
}
