/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/pool.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"

struct worker {
    struct pool *pool;
    pthread_t thread;
    int index;
};

/* One loop at a time. The caller opens the gate; workers that arrive join and take pieces from
 * `next`. When no piece is left the caller closes the gate and waits for those who joined. So a
 * worker that is not scheduled holds nobody up unless it is in the middle of a piece. All threads
 * spin a little before they sleep, because the next loop of a forward pass follows within
 * microseconds. Sleeping soon leaves the core to others, perhaps to the very thread that is being
 * waited for; threads are not pinned to cores for the same reason. */
struct pool {
    int n_threads;
    struct worker *workers;  // [n_threads-1]
    pthread_mutex_t callers; // callers on several threads take turns
    pthread_mutex_t lock;
    pthread_cond_t wake, done;
    atomic_bool quit;
    int spin; // rounds of waiting before sleeping; 0 with more threads than cores
    /* The loop, written only while the gate is closed and nobody is inside */
    pool_fn fn;
    void *arg;
    int64_t n, grain;
    _Alignas(64) atomic_ullong gate; // round << 32 | GATE_OPEN | workers inside
    atomic_int sleepers;             // workers asleep, or about to be
    atomic_bool caller_sleeps;       // or is about to
    _Alignas(64) atomic_llong next;
};

static const unsigned long long GATE_OPEN = 1u << 31, GATE_INSIDE = (1u << 31) - 1;
static const double SPIN_S = 1e-4;

static void relax(void)
{
#if defined(__x86_64__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ volatile("yield");
#endif
}

/* How many rounds of relax take SPIN_S: the best of several tries, as others may be running. */
static int spin_rounds(void)
{
    enum { ROUNDS = 200, TRIES = 5 };
    double best = 1;
    for (int i = 0; i < TRIES; i++) {
        double start_s = clock_s();
        for (int r = 0; r < ROUNDS; r++) relax();
        double took_s = clock_s() - start_s;
        if (took_s < best) best = took_s;
    }
    double rounds = SPIN_S / (best / ROUNDS + 1e-9);
    return (int)rounds;
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

/* -- workers ----------------------------------------------------------------------------------- */

static bool can_join(struct pool *p, unsigned seen)
{
    unsigned long long gate = atomic_load(&p->gate);
    return ((gate & GATE_OPEN) && (unsigned)(gate >> 32) != seen) || atomic_load(&p->quit);
}

/* Joins a loop other than `seen`; false when it has closed. */
static bool try_join(struct pool *p, unsigned *seen)
{
    unsigned long long gate = atomic_load_explicit(&p->gate, memory_order_acquire);
    while ((gate & GATE_OPEN) && (unsigned)(gate >> 32) != *seen)
        if (atomic_compare_exchange_weak(&p->gate, &gate, gate + 1)) {
            *seen = (unsigned)(gate >> 32);
            return true;
        }
    return false;
}

/* Waits for a loop and joins it; false when the pool ends. */
static bool join(struct pool *p, unsigned *seen)
{
    for (;;) {
        for (int i = 0; i <= p->spin; i++) {
            if (atomic_load_explicit(&p->quit, memory_order_relaxed)) return false;
            if (try_join(p, seen)) return true;
            relax();
        }
        pthread_mutex_lock(&p->lock);
        atomic_fetch_add(&p->sleepers, 1);
        while (!can_join(p, *seen)) pthread_cond_wait(&p->wake, &p->lock);
        atomic_fetch_sub(&p->sleepers, 1);
        pthread_mutex_unlock(&p->lock);
    }
}

static void leave(struct pool *p)
{
    unsigned long long gate = atomic_fetch_sub(&p->gate, 1);
    if ((gate & (GATE_OPEN | GATE_INSIDE)) != 1 || !atomic_load(&p->caller_sleeps)) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_signal(&p->done);
    pthread_mutex_unlock(&p->lock);
}

static void *worker_main(void *arg)
{
    struct worker *w = arg;
    unsigned seen = 0;
    while (join(w->pool, &seen)) {
        work(w->pool, w->index);
        leave(w->pool);
    }
    return NULL;
}

/* -- the caller -------------------------------------------------------------------------------- */

static void wake_sleepers(struct pool *p)
{
    if (atomic_load(&p->sleepers) == 0) return;
    pthread_mutex_lock(&p->lock);
    pthread_cond_broadcast(&p->wake);
    pthread_mutex_unlock(&p->lock);
}

static void open_gate(struct pool *p)
{
    unsigned long long round = (atomic_load(&p->gate) >> 32) + 1;
    atomic_store(&p->gate, (round & UINT32_MAX) << 32 | GATE_OPEN);
    wake_sleepers(p);
}

static bool anyone_inside(struct pool *p) { return atomic_load(&p->gate) & GATE_INSIDE; }

static void close_gate(struct pool *p)
{
    atomic_fetch_and(&p->gate, ~GATE_OPEN);
    for (int i = 0; i <= p->spin; i++) {
        if (!anyone_inside(p)) return;
        relax();
    }
    pthread_mutex_lock(&p->lock);
    atomic_store(&p->caller_sleeps, true);
    while (anyone_inside(p)) pthread_cond_wait(&p->done, &p->lock);
    atomic_store(&p->caller_sleeps, false);
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
    if (!alone) open_gate(p);
    work(p, 0);
    if (!alone) close_gate(p);
    pthread_mutex_unlock(&p->callers);
}

/* -- making and ending ------------------------------------------------------------------------- */

/* Workers block all signals except those that their own work raises. If one of these were blocked,
 * it would end the process without calling a handler. */
static int start_workers(struct pool *p)
{
    static const int own[] = {SIGBUS, SIGFPE, SIGILL, SIGSEGV, SIGTRAP};
    sigset_t all, old;
    sigfillset(&all);
    for (size_t i = 0; i < sizeof own / sizeof *own; i++) sigdelset(&all, own[i]);
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
    p->spin = n_threads <= cpu_count() ? spin_rounds() : 0;
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
    wake_sleepers(p);
    for (int i = 0; i < p->n_threads - 1; i++) pthread_join(p->workers[i].thread, NULL);
    pthread_mutex_destroy(&p->callers);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->wake);
    pthread_cond_destroy(&p->done);
    mem_free(p->workers);
    mem_free(p);
}

int pool_threads(const struct pool *p) { return p->n_threads; }
