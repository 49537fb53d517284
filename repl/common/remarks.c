/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* fopencookie */
#include "common/remarks.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "common/files.h"

/* The C library's stderr is a variable: while a thread is muted it is a stream that asks who
 * writes. It stays unbuffered, so that each piece of text arrives on its writer's own thread. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static _Thread_local bool muted;
static int n_muted;
static FILE *usual, *asking;

static ssize_t pass_on(void *cookie, const char *bytes, size_t n)
{
    (void)cookie;
    return muted || write_all(STDERR_FILENO, bytes, n) ? (ssize_t)n : 0;
}

void remarks_mute(void)
{
    pthread_mutex_lock(&lock);
    if (!asking) {
        asking = fopencookie(NULL, "w", (cookie_io_functions_t){.write = pass_on});
        if (asking) setvbuf(asking, NULL, _IONBF, 0);
    }
    if (n_muted++ == 0 && asking) {
        usual = stderr;
        stderr = asking;
    }
    pthread_mutex_unlock(&lock);
    muted = true;
}

void remarks_unmute(void)
{
    muted = false;
    pthread_mutex_lock(&lock);
    if (--n_muted == 0 && asking) stderr = usual;
    pthread_mutex_unlock(&lock);
}
