/* SPDX-License-Identifier: MIT */
#include "notebook/decode_thread.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/clock.h"
#include "common/memory.h"
#include "common/remarks.h"
#include "common/text.h"

#define ASK_MS 10   /* between two checks for a request to stop */
#define PATIENCE 10 /* checks that a decoder is given to stop by itself */

struct decoding {
    struct fetched file;
    struct phi3v_image_options opt;
    atomic_bool stop;
    bool done, left; // both under `lock`
    int rc;
    phi3v_image *image;
    struct phi3v_error err;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER;
static int n_left;

static int asks_to_stop(void *user) { return atomic_load(&((struct decoding *)user)->stop); }

static void *decode(void *user)
{
    struct decoding *d = user;
    remarks_mute();
    d->rc = phi3v_image_from_bytes(d->file.bytes, d->file.n_bytes, &d->opt, &d->image, &d->err);
    remarks_unmute();
    pthread_mutex_lock(&lock);
    d->done = true;
    bool left = d->left;
    if (left && d->rc == 0) phi3v_image_free(d->image);
    if (left) {
        fetched_fini(&d->file);
        free(d);
        n_left--;
    }
    pthread_cond_broadcast(&changed);
    pthread_mutex_unlock(&lock);
    return NULL;
}

/* Called with `lock` held. */
static void wait_a_little(void)
{
    struct timespec until = clock_after(CLOCK_REALTIME, ASK_MS);
    pthread_cond_timedwait(&changed, &lock, &until);
}

/* Whether it ended; false: nobody waits for it any longer. */
static bool await(struct decoding *d, const struct nb_front *front)
{
    bool stop = false;
    pthread_mutex_lock(&lock);
    for (int looks = 0; !d->done && looks < PATIENCE; looks += stop) {
        wait_a_little();
        if (d->done || stop) continue;
        pthread_mutex_unlock(&lock);
        stop = front->stopped(front->user);
        atomic_store(&d->stop, stop);
        pthread_mutex_lock(&lock);
    }
    d->left = !d->done;
    n_left += d->left;
    bool done = d->done;
    pthread_mutex_unlock(&lock);
    return done;
}

int decode_picture(struct fetched *file, const struct phi3v_image_options *opt,
                   const struct nb_front *front, phi3v_image **ret, struct phi3v_error *err)
{
    struct decoding *d = calloc(1, sizeof *d);
    pthread_t thread;
    if (!d) return memory_error(err);
    d->file = *file;
    d->opt = *opt;
    d->opt.stopped = asks_to_stop;
    d->opt.user = d;
    atomic_init(&d->stop, front->stopped(front->user) != 0);
    if (pthread_create(&thread, NULL, decode, d) != 0) {
        free(d);
        return memory_error(err);
    }
    if (!await(d, front)) {
        pthread_detach(thread);
        *file = (struct fetched){0};
        return refuse(err, PHI3V_E_CANCELLED, "reading the picture was cancelled");
    }
    pthread_join(thread, NULL);
    int rc = d->rc;
    if (rc)
        *err = d->err;
    else
        *ret = d->image;
    free(d);
    return rc;
}

void decode_finish(void)
{
    pthread_mutex_lock(&lock);
    while (n_left > 0) pthread_cond_wait(&changed, &lock);
    pthread_mutex_unlock(&lock);
}
