/* SPDX-License-Identifier: GPL-3.0-or-later
 * serve_fuzz_cli PHISCOPE N: N requests that are wrong somewhere, in their JSON or in their HTTP.
 * Each is answered with a status below 500 (or 505: another HTTP), or its connection is closed; and
 * the server is well behind it. */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "drive.h"
#include "golden.h"
#include "served.h"

enum { MAX_REQUEST = 1 << 16, WAIT_MS = 30000, PATIENCE_MS = 100, NO_SUCH_VERSION = 505 };

/* -- Chance ------------------------------------------------------------------------------------ */

static uint64_t state = 1;

static size_t chance(size_t n)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (size_t)(state >> 33) % n;
}

/* -- Requests ---------------------------------------------------------------------------------- */

/* Every answer is short: what is left of a sound request must not take long. */
static const char *const bodies[] = {
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":2}",
    "{\"model\":\"tiny-gqa-bf16\",\"messages\":[{\"role\":\"system\",\"content\":\"Be "
    "brief\"},{\"role\":\"user\",\"content\":[{\"type\":\"text\",\"text\":\"What?\"},{\"type\":"
    "\"image_url\",\"image_url\":{\"url\":\"data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAgAAAAI"
    "CAIAAABLbSncAAAAEUlEQVR4nGNgGAWjYBQMdwAABAgAAWGbNp8AAAAASUVORK5CYII=\"}}]}],\"stream\":true,"
    "\"stop\":[\"a\",\"b\"],\"max_tokens\":3}",
    "{\"messages\":[{\"role\":\"user\",\"content\":\"x\"},{\"role\":\"assistant\",\"content\":null}"
    ",{"
    "\"role\":\"user\",\"content\":\"y\"}],\"temperature\":0.7,\"top_p\":0.9,\"seed\":12,"
    "\"logprobs\":true,\"top_logprobs\":3,\"max_tokens\":2,\"stream_options\":{\"include_usage\":"
    "true}}",
    "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_text\",\"text\":\"Hi\"}]}],"
    "\"max_output_tokens\":2,\"instructions\":\"x\",\"messages\":[]}",
    "{\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}],\"max_tokens\":2,\"response_format\":{"
    "\"type\":\"json_schema\",\"json_schema\":{\"name\":\"n\",\"schema\":{\"type\":\"object\","
    "\"properties\":{\"a\":{\"enum\":[1,2]}},\"required\":[\"a\"]}}}}",
};
enum { N_BODIES = sizeof bodies / sizeof *bodies };

static const char *const words[] = {
    "null",
    "true",
    "-1",
    "1e999",
    "[]",
    "{}",
    "\"\"",
    "[[[[[[[[",
    "\\u0000",
    "\\ud800",
    "<|image_1|>",
    "9223372036854775808",
    "\"n\":2",
    ",",
    ":",
    "\xff\xfe",
    "0.1e-400",
    "\"type\":7",
    "data:,",
    "\"",
    "\r\n\r\n",
    "Content-Length: 5\r\n",
    "Transfer-Encoding: chunked\r\n",
    "Host: x\r\n",
    "%00",
    "\0",
};
enum { N_WORDS = sizeof words / sizeof *words };

struct bytes {
    char v[MAX_REQUEST];
    size_t n;
};

static void put(struct bytes *b, size_t at, const char *s, size_t n)
{
    if (b->n + n > MAX_REQUEST) return;
    memmove(b->v + at + n, b->v + at, b->n - at);
    memcpy(b->v + at, s, n);
    b->n += n;
}

static void spoil(struct bytes *b)
{
    if (b->n == 0) return;
    size_t at = chance(b->n), n = 1 + chance(b->n - at < 30 ? b->n - at : 30);
    const char *word = words[chance(N_WORDS)];
    char copy[32];
    switch (chance(6)) {
    case 0:
        b->v[at] = (char)chance(256);
        break;
    case 1:
        b->v[at] ^= (char)(1 << chance(8));
        break;
    case 2:
        put(b, at, word, strlen(word));
        break;
    case 3:
        memmove(b->v + at, b->v + at + n, b->n - at - n);
        b->n -= n;
        break;
    case 4:
        memcpy(copy, b->v + at, n);
        put(b, at, copy, n);
        break;
    default:
        b->n = at;
        break;
    }
}

/* A sound request whose body is spoiled, or one that is spoiled as a whole. */
static void make(struct bytes *b, bool in_json)
{
    static const char *const paths[] = {"/v1/chat/completions", "/v1/responses"};
    struct bytes body = {.n = 0};
    size_t k = chance(N_BODIES);
    put(&body, 0, bodies[k], strlen(bodies[k]));
    for (size_t i = 1 + chance(4); in_json && i > 0; i--) spoil(&body);
    b->n =
        (size_t)snprintf(b->v, sizeof b->v,
                         "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                         "Connection: close\r\nContent-Length: %zu\r\n\r\n",
                         paths[k == 3], body.n);
    put(b, b->n, body.v, body.n);
    for (size_t i = 1 + chance(4); !in_json && i > 0; i--) spoil(b);
}

/* -- Sending ----------------------------------------------------------------------------------- */

static int connect_to(int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr = {htonl(INADDR_LOOPBACK)}};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    if (!connect(fd, (struct sockaddr *)&at, sizeof at)) return fd;
    close(fd);
    return -1;
}

/* The status of the reply; 0: the connection was closed without one; -1: nothing happened. */
static int send_one(int port, const struct bytes *b)
{
    char reply[16384];
    size_t n = 0;
    int fd = connect_to(port), status = 0;
    if (fd < 0) return -1;
    for (size_t sent = 0; sent < b->n;) {
        ssize_t k = send(fd, b->v + sent, b->n - sent, MSG_NOSIGNAL);
        if (k <= 0) break;
        sent += (size_t)k;
    }
    struct pollfd in = {.fd = fd, .events = POLLIN};
    if (poll(&in, 1, PATIENCE_MS) <= 0)
        shutdown(fd, SHUT_WR); /* there is no more, whatever the length says */
    for (;;) {
        if (poll(&in, 1, WAIT_MS) <= 0) {
            status = -1;
            break;
        }
        ssize_t k = recv(fd, reply + n, sizeof reply - 1 - n, 0);
        if (k <= 0) break;
        if (n == 0) shutdown(fd, SHUT_WR); /* nothing more is asked on this connection */
        n += (size_t)k;
        if (n == sizeof reply - 1) n = 100; /* the beginning is what counts */
    }
    close(fd);
    reply[n] = 0;
    if (status == 0 && n > 0 && sscanf(reply, "HTTP/1.%*d %d", &status) != 1) status = 999;
    return status;
}

static void run(const struct served *s, int n)
{
    int port = atoi(strrchr(s->base, ':') + 1), by_class[10] = {0}, n_bad = 0;
    static struct bytes b;
    for (int i = 0; i < n; i++) {
        make(&b, i % 2);
        int status = send_one(port, &b);
        by_class[status / 100 > 0 ? status / 100 : 0]++;
        if ((status >= 0 && status < 500) || status == NO_SUCH_VERSION) continue;
        if (n_bad++ < 5) tap_note("%d: %d: %.*s", i, status, (int)(b.n < 600 ? b.n : 600), b.v);
    }
    tap_ok(n_bad == 0, "%d wrong requests: %d closed, %d answered, %d refused, %d others", n,
           by_class[0], by_class[2], by_class[4], n_bad);
    tap_ok(by_class[4] > n / 4, "most are wrong");
}

int main(int argc, char **argv)
{
    int n = argc > 2 ? atoi(argv[2]) : 100;
    drive_init(2, argv);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    struct served s = SERVE("-m", drive_golden("models/tiny-gqa-bf16"), "--num-crops", "1", "--ctx",
                            "512", "--max-new-tokens", "4", "--offline");
    run(&s, n);
    struct reply r = serve_ask(&s, "/health", NULL, NULL);
    tap_ok(r.status == 200, "the server is well");
    reply_free(&r);
    tap_ok(serve_stop(&s, SIGTERM) == 0, "and ends when it is told to");
    curl_global_cleanup();
    return drive_done();
}
