/* SPDX-License-Identifier: MIT
 * Measures what this machine can do at most, so that speeds can be stated as shares of it. */
#define _GNU_SOURCE
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/pool.h"
#include "kernels.h"
#include "peak.h"

#define UNCHECKED __attribute__((no_sanitize("address", "thread")))

enum { N_PASSES = 15, N_BURSTS = 20, N_STREAMS = 4, MAX_TIMES = 20 };
#define MOST_S 0.2

struct machine_probe {
    int n_threads;
    uint64_t *words; // [n_threads][n_words]; NULL: no memory to read
    size_t n_words, map_bytes;
};

/* A piece of work done up to n_times on all threads at once, each time between two barriers; on a
 * busy machine, where threads wait for each other, it ends after MOST_S. */
struct team {
    const struct machine_probe *probe;
    pthread_barrier_t barrier;
    void (*work)(struct team *team, int member);
    burst_fn burst; // peak
    double done;    // operations of one member in one burst
    double seconds[MAX_TIMES];
    int n_times, n_done;
    bool stop;
};

/* -- Threads ----------------------------------------------------------------------------------- */

/* The index-th processor of those that this process may use. */
static void pin(const cpu_set_t *allowed, int index)
{
    cpu_set_t one;
    int skip = index % CPU_COUNT(allowed);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (!CPU_ISSET(cpu, allowed) || skip-- > 0) continue;
        CPU_ZERO(&one);
        CPU_SET(cpu, &one);
        sched_setaffinity(0, sizeof one, &one);
        return;
    }
}

/* Where pinning is refused, threads that wander are measured. */
static void take_part(void *arg, int64_t begin, int64_t end, int thread)
{
    struct team *team = arg;
    cpu_set_t allowed;
    (void)end, (void)thread; /* grain 1: the barrier holds each thread to one member */
    bool pinned = sched_getaffinity(0, sizeof allowed, &allowed) == 0;
    if (pinned) pin(&allowed, (int)begin);
    double begun = clock_s();
    for (int i = 0; i < team->n_times; i++) {
        if (begin == 0) team->stop = i > 0 && clock_s() - begun > MOST_S;
        pthread_barrier_wait(&team->barrier);
        if (team->stop) break;
        double start = clock_s();
        team->work(team, (int)begin);
        pthread_barrier_wait(&team->barrier);
        if (begin == 0) team->seconds[team->n_done++] = clock_s() - start;
    }
    if (pinned) sched_setaffinity(0, sizeof allowed, &allowed);
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Threads of its own, so that a model's pool keeps its places. -1: no room for them. On success
 * the times are in order. */
static int run_team(struct team *team)
{
    struct pool *pool;
    int n = team->probe->n_threads;
    if (pthread_barrier_init(&team->barrier, NULL, (unsigned)n) != 0) return -1;
    int rc = pool_new(n, &pool, NULL);
    if (!rc) {
        pool_run(pool, n, 1, take_part, team);
        qsort(team->seconds, (size_t)team->n_done, sizeof *team->seconds, ascending);
        pool_free(pool);
    }
    pthread_barrier_destroy(&team->barrier);
    return rc;
}

/* -- Reading ----------------------------------------------------------------------------------- */

/* Several streams at once, as a product reads several rows of weights. A sanitizer's checks of each
 * word would be measured instead of the memory, so they stay out. */
UNCHECKED static void read_share(struct team *team, int member)
{
    const size_t n_words = team->probe->n_words, n = n_words / N_STREAMS;
    const uint64_t *words = team->probe->words + n_words * (size_t)member;
    uint64_t sum[8] = {0};
    for (size_t i = 0; i + 8 <= n; i += 8)
        for (int s = 0; s < N_STREAMS; s++)
            for (int j = 0; j < 8; j++) sum[j] += words[(size_t)s * n + i + (size_t)j];
    volatile uint64_t result;
    for (int j = 0; j < 8; j++) result = sum[j];
    (void)result;
}

static void write_share(struct team *team, int member)
{
    uint64_t *words = team->probe->words + team->probe->n_words * (size_t)member;
    memset(words, 1, team->probe->n_words * sizeof *words);
}

/* The kernel's figure; the C library's is that of a whole machine where this one is a guest. */
int64_t machine_cache_bytes(void)
{
    long kib = 0;
    for (int level = 3; level >= 2 && kib <= 0; level--) {
        char path[80];
        snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu0/cache/index%d/size", level);
        FILE *f = fopen(path, "re");
        if (!f) continue;
        if (fscanf(f, "%ldK", &kib) != 1) kib = 0;
        fclose(f);
    }
    return kib * 1024;
}

/* Eight times the last-level cache where memory allows, but never more than 1 GiB or a quarter of
 * what is free. */
static size_t probe_bytes(void)
{
    const size_t mib = (size_t)1 << 20;
    size_t n = 8 * (size_t)machine_cache_bytes(), most = mem_available_bytes() / 4;
    if (n < 256 * mib) n = 256 * mib;
    if (n > 1024 * mib) n = 1024 * mib;
    return n < most ? n : most / mib * mib;
}

/* Memory to read, written once by the threads that will read it. */
static void map_words(struct machine_probe *p)
{
    size_t n_bytes = probe_bytes(), n_threads = (size_t)p->n_threads;
    void *base =
        n_bytes ? mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
                : MAP_FAILED;
    if (base == MAP_FAILED) return;
    madvise(base, n_bytes, MADV_HUGEPAGE); /* only advice: else small pages are measured */
    madvise(base, n_bytes, MADV_DONTFORK); /* not part of another process's memory */
    p->words = base;
    p->map_bytes = n_bytes;
    p->n_words = n_bytes / sizeof(uint64_t) / n_threads / (8 * N_STREAMS) * (8 * N_STREAMS);
    struct team team = {.probe = p, .work = write_share, .n_times = 1};
    run_team(&team);
}

static double measure_read(const struct machine_probe *p)
{
    struct team team = {.probe = p, .work = read_share, .n_times = N_PASSES};
    if (!p->words || run_team(&team) != 0) return 0;
    double bytes = (double)(p->n_words * sizeof(uint64_t)) * p->n_threads;
    return bytes / team.seconds[team.n_done / 2] / 1e9;
}

/* -- Arithmetic -------------------------------------------------------------------------------- */

static void run_burst(struct team *team, int member)
{
    double done = team->burst();
    if (member == 0) team->done = done;
}

/* The best of several bursts: other work on the machine can only slow one down. */
static double measure_peak(const struct machine_probe *p, burst_fn burst)
{
    struct team team = {.probe = p, .work = run_burst, .burst = burst, .n_times = N_BURSTS};
    if (!burst || run_team(&team) != 0) return 0;
    return team.done * p->n_threads / team.seconds[0] / 1e9;
}

/* -- Public ------------------------------------------------------------------------------------ */

struct machine_probe *machine_probe_new(int n_threads)
{
    struct machine_probe *p = mem_zalloc(sizeof *p);
    if (!p) return NULL;
    p->n_threads = n_threads;
    map_words(p);
    return p;
}

void machine_probe_free(struct machine_probe *p)
{
    if (!p) return;
    if (p->words) munmap(p->words, p->map_bytes);
    mem_free(p);
}

void machine_probe_measure(const struct machine_probe *p, struct machine_limits *ret_limits)
{
    *ret_limits = (struct machine_limits){.read_gbs = measure_read(p),
                                          .f32_gflops = measure_peak(p, peak_f32()),
                                          .bf16_gflops = measure_peak(p, peak_bf16()),
                                          .int8_gops = measure_peak(p, peak_int8())};
}

void machine_limits_measure(int n_threads, struct machine_limits *ret_limits)
{
    struct machine_probe *p = machine_probe_new(n_threads);
    *ret_limits = (struct machine_limits){0};
    if (p) machine_probe_measure(p, ret_limits);
    machine_probe_free(p);
}

int machine_cores(void) { return cpu_count(); }

const char *machine_name(void) { return cpu_name(); }
