/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "notebook/ahead.h"

struct ahead {
    struct engine *engine;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    phi3v_prompt *wanted; // to be read next; NULL: nothing
    bool busy;            // the thread has the session
    bool over;            // the thread is to end
    bool done;            // what was wanted has been read
    atomic_bool give_way; // somebody waits for the session
};

static int on_event(const struct phi3v_event *event, void *user)
{
    struct ahead *a = user;
    (void)event;
    return atomic_load(&a->give_way);
}

/* With the lock held, which is let go meanwhile. */
static void read_wanted(struct ahead *a)
{
    phi3v_prompt *prompt = a->wanted;
    a->wanted = NULL;
    a->busy = true;
    pthread_mutex_unlock(&a->lock);
    int rc = phi3v_prefill(a->engine->session, prompt, on_event, a, NULL, NULL);
    phi3v_prompt_free(prompt);
    pthread_mutex_lock(&a->lock);
    a->busy = false;
    a->done = !rc && !a->wanted;
    pthread_cond_broadcast(&a->changed);
}

static void *work(void *user)
{
    struct ahead *a = user;
    pthread_mutex_lock(&a->lock);
    while (!a->over) {
        if (a->wanted && !atomic_load(&a->give_way))
            read_wanted(a);
        else
            pthread_cond_wait(&a->changed, &a->lock);
    }
    pthread_mutex_unlock(&a->lock);
    return NULL;
}

struct ahead *ahead_new(struct engine *e)
{
    struct ahead *a = memory_zero(1, sizeof *a);
    if (!a) return NULL;
    a->engine = e;
    a->done = true;
    pthread_mutex_init(&a->lock, NULL);
    pthread_cond_init(&a->changed, NULL);
    if (!pthread_create(&a->thread, NULL, work, a)) return a;
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
    return NULL;
}

/* Forgets what is wanted and waits for the session, with the lock held. */
static void take_back(struct ahead *a)
{
    atomic_store(&a->give_way, true);
    phi3v_prompt_free(a->wanted);
    a->wanted = NULL;
    if (a->busy) phi3v_session_cancel(a->engine->session);
    while (a->busy) pthread_cond_wait(&a->changed, &a->lock);
    atomic_store(&a->give_way, false);
}

void ahead_free(struct ahead *a)
{
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    take_back(a);
    a->over = true;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
    pthread_join(a->thread, NULL);
    pthread_cond_destroy(&a->changed);
    pthread_mutex_destroy(&a->lock);
    free(a);
}

void ahead_read(struct ahead *a, phi3v_prompt *prompt)
{
    if (!a) {
        phi3v_prompt_free(prompt);
        return;
    }
    pthread_mutex_lock(&a->lock);
    take_back(a);
    a->wanted = prompt;
    a->done = false;
    pthread_cond_broadcast(&a->changed);
    pthread_mutex_unlock(&a->lock);
}

void ahead_stop(struct ahead *a)
{
    if (!a) return;
    pthread_mutex_lock(&a->lock);
    take_back(a);
    pthread_mutex_unlock(&a->lock);
}

bool ahead_is_done(struct ahead *a)
{
    if (!a) return true;
    pthread_mutex_lock(&a->lock);
    bool done = a->done;
    pthread_mutex_unlock(&a->lock);
    return done;
}
