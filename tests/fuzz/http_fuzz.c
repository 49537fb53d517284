/* SPDX-License-Identifier: GPL-3.0-or-later
 * Whatever a server sends is a picture's bytes or one clean sentence. */
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fuzz.h"
#include "loopback.h"
#include "net/fetch.h"

#define LIMIT_BYTES 100000

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static const uint8_t *input; /* under lock, as n_input */
static size_t n_input;

static void answer(struct loopback_request *r, void *user)
{
    (void)user;
    pthread_mutex_lock(&lock);
    loopback_send(r, input, n_input);
    pthread_mutex_unlock(&lock);
}

static void set_input(const uint8_t *bytes, size_t n)
{
    pthread_mutex_lock(&lock);
    input = bytes;
    n_input = n;
    pthread_mutex_unlock(&lock);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    static struct loopback *server;
    static char url[60];
    if (!server) {
        fetch_global_init();
        server = loopback_start(answer, NULL);
        snprintf(url, sizeof url, "http://127.0.0.1:%d/x", loopback_port(server));
    }
    struct fetched f = {0};
    struct phi3v_error err = {0};
    const struct fetch_options opt = {.limit_bytes = LIMIT_BYTES, .timeout_s = 0.5};
    set_input(bytes, n);
    if (fetch_picture(url, &opt, &f, &err) == 0) {
        if (f.n_bytes < 1 || f.n_bytes > LIMIT_BYTES) abort();
    } else if (!err.text[0]) {
        abort();
    }
    for (const char *c = err.text; *c; c++)
        if ((unsigned char)*c < 0x20 || *c == 0x7F) abort();
    set_input(NULL, 0);
    fetched_fini(&f);
    return 0;
}
