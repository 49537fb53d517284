/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "drive.h"

struct http {
    pid_t pid;
    int port;
};

static void send_text(int fd, const char *text)
{
    if (write(fd, text, strlen(text)) < 0) _exit(1);
}

static void send_file(int fd, const char *path)
{
    char part[16384];
    size_t n;
    struct stat st;
    FILE *f = fopen(path, "rb");
    if (!f || stat(path, &st)) {
        if (f) fclose(f);
        send_text(fd, "HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n");
        return;
    }
    snprintf(part, sizeof part,
             "HTTP/1.1 200 OK\r\nContent-Type: application/octet-stream\r\n"
             "Content-Length: %lld\r\nConnection: close\r\n\r\n",
             (long long)st.st_size);
    send_text(fd, part);
    while ((n = fread(part, 1, sizeof part, f)) > 0)
        if (write(fd, part, n) < 0) break;
    fclose(f);
}

static void serve_one(int fd, const char *const *files)
{
    char request[4096] = "", path[1024] = "";
    size_t n = 0;
    while (n + 1 < sizeof request && !strstr(request, "\r\n\r\n")) {
        ssize_t k = read(fd, request + n, sizeof request - 1 - n);
        if (k <= 0) return;
        n += (size_t)k;
        request[n] = 0;
    }
    if (sscanf(request, "GET %1023s ", path) != 1) return;
    for (int i = 0; files[i]; i += 2)
        if (!strcmp(files[i], path)) {
            send_file(fd, files[i + 1]);
            return;
        }
    send_text(fd, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
}

struct http *http_start(const char *const *files)
{
    struct http *h = calloc(1, sizeof *h);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t n = sizeof at;
    if (!h || fd < 0 || bind(fd, (struct sockaddr *)&at, n) || listen(fd, 8) ||
        getsockname(fd, (struct sockaddr *)&at, &n)) {
        perror("http");
        exit(99);
    }
    h->port = ntohs(at.sin_port);
    fflush(NULL);
    h->pid = fork();
    if (h->pid == 0) {
        for (;;) {
            int client = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
            if (client < 0) _exit(1);
            serve_one(client, files);
            close(client);
        }
    }
    close(fd);
    return h;
}

int http_port(const struct http *h) { return h->port; }

void http_stop(struct http *h)
{
    kill(h->pid, SIGKILL);
    waitpid(h->pid, NULL, 0);
    free(h);
}
