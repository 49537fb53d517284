/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>

#include "base/cpu.h"
#include "base/mem.h"

struct worker {
    struct pool *pool;
    pthread_t thread;
    int index;
};

/* One loop at a time. A new loop is announced by raising `round`; workers take pieces from `next`
 * and the last one to leave (`working` reaching 0) lets the caller go on. Workers spin a little
 * before they sleep, because the next loop of a forward pass follows within microseconds. */
struct pool {
    int n_threads;
    struct worker *workers;  // [n_threads-1]
    pthread_mutex_t callers; // callers on several threads take turns
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    atomic_uint round;
    atomic_int working;
    atomic_bool quit;
    int spin; // rounds of waiting before sleeping; 0 with more threads than cores
    pool_fn fn;
    void *arg;
    int64_t n, grain;
    _Alignas(64) atomic_llong next;
};

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

static void work(struct pool *p, int thread)
{
    for (;;) {
        int64_t begin = atomic_fetch_add_explicit(&p->next, p->grain, memory_order_relaxed);
        if (begin >= p->n) return;
        int64_t end = begin + p->grain < p->n ? begin + p->grain : p->n;
        p->fn(p->arg, begin, end, thread);
    }
}

/* Waits until `round` differs from seen; returns the new value. */
static unsigned wait_round(struct pool *p, unsigned seen)
{
    for (int i = 0; i < p->spin; i++) {
        unsigned now = atomic_load_explicit(&p->round, memory_order_acquire);
        if (now != seen) return now;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load_explicit(&p->round, memory_order_acquire) == seen)
        pthread_cond_wait(&p->wake, &p->lock);
    pthread_mutex_unlock(&p->lock);
    return atomic_load_explicit(&p->round, memory_order_acquire);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    struct pool *p = w->pool;
    unsigned seen = 0;
    for (;;) {
        seen = wait_round(p, seen);
        if (atomic_load(&p->quit)) return NULL;
        work(p, w->index);
        if (atomic_fetch_sub_explicit(&p->working, 1, memory_order_acq_rel) == 1) {
            pthread_mutex_lock(&p->lock);
            pthread_cond_signal(&p->done);
            pthread_mutex_unlock(&p->lock);
        }
    }
}

static void announce(struct pool *p)
{
    pthread_mutex_lock(&p->lock);
    atomic_fetch_add_explicit(&p->round, 1, memory_order_release);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void wait_done(struct pool *p)
{
    for (int i = 0; i < p->spin; i++) {
        if (atomic_load_explicit(&p->working, memory_order_acquire) == 0) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    while (atomic_load_explicit(&p->working, memory_order_acquire) != 0)
        pthread_cond_wait(&p->done, &p->lock);
    pthread_mutex_unlock(&p->lock);
}

void pool_run(struct pool *p, int64_t n, int64_t grain, pool_fn fn, void *arg)
{
    if (n <= 0) return;
    if (grain < 1) grain = 1;
    pthread_mutex_lock(&p->callers);
    p->fn = fn;
    p->arg = arg;
    p->n = n;
    p->grain = grain;
    atomic_store_explicit(&p->next, 0, memory_order_relaxed);
    bool alone = p->n_threads == 1 || n <= grain;
    if (!alone) {
        atomic_store_explicit(&p->working, p->n_threads - 1, memory_order_relaxed);
        announce(p);
    }
    work(p, 0);
    if (!alone) wait_done(p);
    pthread_mutex_unlock(&p->callers);
}

/* Workers leave all signals to the program's own threads. */
static int start_workers(struct pool *p)
{
    sigset_t all, old;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    int rc = 0, started = 0;
    for (; started < p->n_threads - 1 && rc == 0; started++) {
        p->workers[started] = (struct worker){.pool = p, .index = started + 1};
        rc = pthread_create(&p->workers[started].thread, NULL, worker_main, &p->workers[started]);
    }
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        p->n_threads = started; // the failed one is not running: started-1 workers + caller
    return rc;
}

int pool_new(int n_threads, struct pool **ret_pool, struct phi3v_error *err)
{
    if (n_threads <= 0) n_threads = cpu_count();
    if (n_threads > 1024)
        return err_set(err, PHI3V_E_ARGUMENT, "%d threads asked for; at most 1024 are allowed",
                       n_threads);
    struct pool *p = mem_zalloc(sizeof *p);
    struct worker *workers = mem_zarray((size_t)n_threads, sizeof *workers);
    if (!p || !workers) {
        mem_free(p);
        mem_free(workers);
        return err_memory(err, "worker threads", sizeof *p + (size_t)n_threads * sizeof *workers);
    }
    p->n_threads = n_threads;
    p->workers = workers;
    p->spin = n_threads <= cpu_count() ? 20000 : 0;
    pthread_mutex_init(&p->callers, NULL);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->wake, NULL);
    pthread_cond_init(&p->done, NULL);
    int rc = start_workers(p);
    if (rc != 0) {
        pool_free(p);
        char text[128];
        return err_set(err, PHI3V_E_MEMORY, "cannot start %d threads: %s", n_threads,
                       strerror_r(rc, text, sizeof text));
    }
    *ret_pool = p;
    return 0;
}

void pool_free(struct pool *p)
{
    if (!p) return;
    atomic_store(&p->quit, true);
    announce(p);
    for (int i = 0; i < p->n_threads - 1; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_mutex_destroy(&p->callers);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    mem_free(p->workers);
    mem_free(p);
}

int pool_threads(const struct pool *p) { return p->n_threads; }
