/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "loopback.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

bool loopback_everywhere;

struct loopback {
    int listener, port;
    int stop[2]; /* a pipe: closing its end ends every wait */
    SSL_CTX *tls;
    loopback_fn answer;
    void *user;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t idle;
    int n_open; /* under lock */
    atomic_int n_accepted;
};

/* -- Sending ---------------------------------------------------------------------------------- */

static bool send_some(struct loopback_request *r, const char *p, size_t n, size_t *ret_done)
{
    if (r->tls) return SSL_write_ex(r->tls, p, n, ret_done) == 1;
    ssize_t done = send(r->fd, p, n, MSG_NOSIGNAL);
    if (done <= 0) return false;
    *ret_done = (size_t)done;
    return true;
}

bool loopback_send(struct loopback_request *r, const void *bytes, size_t n)
{
    const char *p = bytes;
    for (size_t done; n > 0; p += done, n -= done)
        if (!send_some(r, p, n, &done)) return false;
    return true;
}

bool loopback_sendf(struct loopback_request *r, const char *format, ...)
{
    char *text;
    va_list ap;
    va_start(ap, format);
    int n = vasprintf(&text, format, ap);
    va_end(ap);
    if (n < 0) abort();
    bool sent = loopback_send(r, text, (size_t)n);
    free(text);
    return sent;
}

void loopback_wait(struct loopback_request *r, double seconds)
{
    struct pollfd p[2] = {{.fd = r->fd, .events = POLLIN},
                          {.fd = r->server->stop[0], .events = POLLIN}};
    poll(p, 2, (int)(seconds * 1000));
}

void loopback_reset(struct loopback_request *r)
{
    struct linger hard = {.l_onoff = 1};
    setsockopt(r->fd, SOL_SOCKET, SO_LINGER, &hard, sizeof hard);
}

/* -- Receiving -------------------------------------------------------------------------------- */

bool loopback_header(const struct loopback_request *r, const char *name, char *buf, size_t size)
{
    size_t n_name = strlen(name);
    for (const char *line = strchr(r->head, '\n'); line && line[1]; line = strchr(line, '\n')) {
        line++;
        if (strncasecmp(line, name, n_name) || line[n_name] != ':') continue;
        const char *value = line + n_name + 1;
        value += strspn(value, " ");
        snprintf(buf, size, "%.*s", (int)strcspn(value, "\r\n"), value);
        return true;
    }
    return false;
}

static bool receive_head(struct loopback_request *r)
{
    size_t n = 0;
    while (n < sizeof r->head - 1 && !strstr(r->head, "\r\n\r\n")) {
        size_t got = 0;
        if (r->tls) {
            if (SSL_read_ex(r->tls, r->head + n, sizeof r->head - 1 - n, &got) != 1) return false;
        } else {
            ssize_t k = recv(r->fd, r->head + n, sizeof r->head - 1 - n, 0);
            if (k <= 0) return false;
            got = (size_t)k;
        }
        n += got;
        r->head[n] = 0;
        if (!r->tls && r->head[0] == 0x16) { /* TLS, as servers of plain HTTP answer it */
            loopback_sendf(r, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
            return false;
        }
    }
    return true;
}

static bool take_apart(struct loopback_request *r)
{
    char uri[4096];
    if (sscanf(r->head, "%7s %4095s ", r->method, uri) != 2) return false;
    char *path = uri;
    if (!strncmp(uri, "http://", 7)) {
        path = strchr(uri + 7, '/');
        snprintf(r->host, sizeof r->host, "%.*s", (int)strcspn(uri + 7, "/"), uri + 7);
    }
    char *query = path ? strchr(path, '?') : NULL;
    if (query) *query++ = 0;
    snprintf(r->path, sizeof r->path, "%s", path && *path ? path : "/");
    snprintf(r->query, sizeof r->query, "%s", query ? query : "");
    return true;
}

void loopback_meet(struct loopback *s)
{
    pthread_mutex_lock(&s->lock);
    pthread_mutex_unlock(&s->lock);
}

static void *serve_one(void *arg)
{
    struct loopback_request *r = arg;
    struct loopback *s = r->server;
    bool ready = true;
    if (s->tls) {
        r->tls = SSL_new(s->tls);
        ready = r->tls && SSL_set_fd(r->tls, r->fd) == 1 && SSL_accept(r->tls) == 1;
    }
    if (ready && receive_head(r) && take_apart(r)) {
        loopback_meet(s);
        s->answer(r, s->user);
        loopback_meet(s);
        if (r->tls) SSL_shutdown(r->tls);
        shutdown(r->fd, SHUT_WR);
    }
    SSL_free(r->tls);
    close(r->fd);
    free(r);
    pthread_mutex_lock(&s->lock);
    if (--s->n_open == 0) pthread_cond_signal(&s->idle);
    pthread_mutex_unlock(&s->lock);
    return NULL;
}

static void begin_one(struct loopback *s, int fd)
{
    struct timeval patience = {.tv_sec = 20};
    struct loopback_request *r = calloc(1, sizeof *r);
    pthread_t thread;
    if (!r) abort();
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    r->server = s;
    r->fd = fd;
    pthread_mutex_lock(&s->lock);
    s->n_open++;
    pthread_mutex_unlock(&s->lock);
    if (pthread_create(&thread, NULL, serve_one, r) != 0) abort();
    pthread_detach(thread);
}

static void *serve(void *arg)
{
    struct loopback *s = arg;
    for (;;) {
        struct pollfd p[2] = {{.fd = s->listener, .events = POLLIN},
                              {.fd = s->stop[0], .events = POLLIN}};
        if (poll(p, 2, -1) < 0 || p[1].revents) return NULL;
        int fd = accept4(s->listener, NULL, NULL, SOCK_CLOEXEC);
        if (fd < 0) continue;
        atomic_fetch_add(&s->n_accepted, 1);
        begin_one(s, fd);
    }
}

/* -- TLS -------------------------------------------------------------------------------------- */

static X509 *certificate(EVP_PKEY *key, long begin_s, long end_s)
{
    X509 *cert = X509_new();
    X509_NAME *name = X509_get_subject_name(cert);
    X509_set_version(cert, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(cert), 1);
    X509_gmtime_adj(X509_getm_notBefore(cert), begin_s);
    X509_gmtime_adj(X509_getm_notAfter(cert), end_s);
    X509_set_pubkey(cert, key);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1,
                               0);
    X509_set_issuer_name(cert, name);
    X509_EXTENSION *alt = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost");
    X509_add_ext(cert, alt, -1);
    X509_EXTENSION_free(alt);
    if (!X509_sign(cert, key, EVP_sha256())) abort();
    return cert;
}

static SSL_CTX *tls_context(const char *cert_file, long begin_s, long end_s)
{
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = certificate(key, begin_s, end_s);
    if (!ctx || SSL_CTX_use_certificate(ctx, cert) != 1 || SSL_CTX_use_PrivateKey(ctx, key) != 1)
        abort();
    FILE *out = cert_file ? fopen(cert_file, "w") : NULL;
    if (out) {
        PEM_write_X509(out, cert);
        fclose(out);
    }
    X509_free(cert);
    EVP_PKEY_free(key);
    return ctx;
}

/* -- Life ------------------------------------------------------------------------------------- */

static int bound_socket(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET,
                                  .sin_addr.s_addr =
                                      htonl(loopback_everywhere ? INADDR_ANY : INADDR_LOOPBACK)};
    socklen_t size = sizeof address;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (struct sockaddr *)&address, size) != 0 ||
        getsockname(fd, (struct sockaddr *)&address, &size) != 0)
        abort();
    *ret_port = ntohs(address.sin_port);
    return fd;
}

int loopback_closed_port(int *ret_fd)
{
    int port;
    *ret_fd = bound_socket(&port);
    return port;
}

static struct loopback *start(loopback_fn answer, void *user, SSL_CTX *tls)
{
    struct loopback *s = calloc(1, sizeof *s);
    if (!s) abort();
    signal(SIGPIPE, SIG_IGN); /* a TLS connection has no other way to send to one that has gone */
    s->answer = answer;
    s->user = user;
    s->tls = tls;
    s->listener = bound_socket(&s->port);
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->idle, NULL);
    if (listen(s->listener, 64) != 0 || pipe2(s->stop, O_CLOEXEC) != 0) abort();
    if (pthread_create(&s->thread, NULL, serve, s) != 0) abort();
    return s;
}

struct loopback *loopback_start(loopback_fn answer, void *user)
{
    return start(answer, user, NULL);
}

struct loopback *loopback_start_tls(loopback_fn answer, void *user, const char *cert_file,
                                    long begin_s, long end_s)
{
    return start(answer, user, tls_context(cert_file, begin_s, end_s));
}

int loopback_port(const struct loopback *server) { return server->port; }

int loopback_accepted(struct loopback *server) { return atomic_load(&server->n_accepted); }

void loopback_stop(struct loopback *server)
{
    close(server->stop[1]);
    pthread_join(server->thread, NULL);
    pthread_mutex_lock(&server->lock);
    while (server->n_open > 0) pthread_cond_wait(&server->idle, &server->lock);
    pthread_mutex_unlock(&server->lock);
    close(server->stop[0]);
    close(server->listener);
    SSL_CTX_free(server->tls);
    free(server);
}
