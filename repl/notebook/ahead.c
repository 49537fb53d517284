/* SPDX-License-Identifier: MIT */
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>

#include "common/clock.h"
#include "notebook/ahead.h"

struct ahead {
    struct engine *engine;
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    phi3v_prompt *wanted;        // to be prefilled next; NULL: nothing
    phi3v_prompt *reading;       // prefilled by the thread, which has the session; NULL: nothing
    int64_t held;                // tokens of it that were in the kv_cache before
    struct phi3v_event progress; // of `reading`
    struct phi3v_timing timing;  // of the last complete prefill
    bool over;                   // the thread must end
    bool done;                   // the wanted prompt has been prefilled
    atomic_bool give_way;        // somebody is waiting for the session
};

static int keep_progress(const struct phi3v_event *event, void *user)
{
    struct ahead *a = user;
    pthread_mutex_lock(&a->lock);
    a->progress = *event;
    pthread_mutex_unlock(&a->lock);
    return atomic_load(&a->give_way);
}

/* Called with the lock held, which is released during the prefill. */
static void read_wanted(struct ahead *a)
{
    struct phi3v_timing timing;
    phi3v_prompt *prompt = a->reading = a->wanted;
    a->wanted = NULL;
    a->progress = (struct phi3v_event){.stage = PHI3V_STAGE_DECODE}; /* none has come yet */
    pthread_mutex_unlock(&a->lock);
    int rc = phi3v_prefill(a->engine->session, prompt, keep_progress, a, &timing, NULL);
    pthread_mutex_lock(&a->lock);
    phi3v_prompt_free(prompt);
    a->reading = NULL;
    a->done = !rc && !a->wanted;
    if (!rc) a->timing = timing;
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

/* Drops what is wanted and waits for the session; the lock is held. */
static void take_back(struct ahead *a)
{
    atomic_store(&a->give_way, true);
    phi3v_prompt_free(a->wanted);
    a->wanted = NULL;
    if (a->reading) phi3v_session_cancel(a->engine->session);
    while (a->reading) pthread_cond_wait(&a->changed, &a->lock);
    atomic_store(&a->give_way, false);
    price_learn(&a->engine->price, a->engine->info, &a->timing);
    a->timing = (struct phi3v_timing){0};
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
    a->held = phi3v_session_common(a->engine->session, prompt);
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

/* How many tokens, pictures included, two prompts have in common at their beginnings. */
static size_t common_of(const phi3v_prompt *a, const phi3v_prompt *b)
{
    size_t n_a, n_b, n = 0;
    const int32_t *x = phi3v_prompt_ids(a, &n_a), *y = phi3v_prompt_ids(b, &n_b);
    for (; n < n_a && n < n_b && x[n] == y[n]; n++) {
        struct phi3v_image_plan p, q;
        if (x[n] >= 0 || (n > 0 && x[n] == x[n - 1])) continue;
        const phi3v_image *image = phi3v_prompt_image(a, -x[n] - 1, &p);
        if (image != phi3v_prompt_image(b, -x[n] - 1, &q) || p.crop_rows != q.crop_rows ||
            p.crop_cols != q.crop_cols)
            break;
    }
    return n;
}

/* Whether the prompt begins with all pictures and most tokens of what is being prefilled. */
static bool goes_on_from(const phi3v_prompt *prompt, const phi3v_prompt *read)
{
    size_t n, n_common = common_of(prompt, read);
    const int32_t *ids = phi3v_prompt_ids(read, &n);
    for (size_t i = n_common; i < n; i++)
        if (ids[i] < 0) return false;
    return 2 * n_common >= n;
}

/* Waits for a change, for at most a twentieth of a second. */
static void wait_a_little(struct ahead *a)
{
    struct timespec until = clock_after(CLOCK_REALTIME, 50);
    pthread_cond_timedwait(&a->changed, &a->lock, &until);
}

int ahead_finish(struct ahead *a, const phi3v_prompt *prompt, phi3v_event_fn on_event, void *user)
{
    bool stopped = false;
    if (!a) return 0;
    pthread_mutex_lock(&a->lock);
    const phi3v_prompt *read = a->reading ? a->reading : a->wanted;
    if (read && goes_on_from(prompt, read)) {
        engine_expect(a->engine, prompt, a->held);
        while ((a->reading || a->wanted) && !stopped) {
            struct phi3v_event progress = a->progress;
            pthread_mutex_unlock(&a->lock);
            stopped = on_event(&progress, user) != 0;
            pthread_mutex_lock(&a->lock);
            if (!stopped && (a->reading || a->wanted)) wait_a_little(a);
        }
    }
    take_back(a);
    pthread_mutex_unlock(&a->lock);
    return stopped ? PHI3V_E_CANCELLED : 0;
}

bool ahead_is_done(struct ahead *a)
{
    if (!a) return true;
    pthread_mutex_lock(&a->lock);
    bool done = a->done;
    pthread_mutex_unlock(&a->lock);
    return done;
}
