/* SPDX-License-Identifier: MIT
 * Measures what this machine can do at most, so that speeds can be stated as shares of it. */
#define _GNU_SOURCE
#include "kernels.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/cpu.h"
#include "base/mem.h"
#include "base/pool.h"
#include "peak.h"

#define UNCHECKED __attribute__((no_sanitize("address", "thread")))

enum { N_PASSES = 7, N_BURSTS = 20, N_STREAMS = 4 };

/* One measured piece of work on all threads at once: between two barriers. */
struct team {
    struct pool *pool;
    pthread_barrier_t barrier;
    void (*work)(struct team *team, int member);
    double seconds;        /* of the last run */
    burst_fn burst;        /* peak */
    double done;           /* operations of one member */
    const uint64_t *words; /* reading: [members][n_words] */
    size_t n_words;
};

static void take_part(void *arg, int64_t begin, int64_t end, int thread)
{
    struct team *team = arg;
    (void)end, (void)thread; /* grain 1: the barrier holds each thread to one member */
    pthread_barrier_wait(&team->barrier);
    double start = clock_s();
    team->work(team, (int)begin);
    pthread_barrier_wait(&team->barrier);
    if (begin == 0) team->seconds = clock_s() - start;
}

static double run_team(struct team *team)
{
    pool_run(team->pool, pool_threads(team->pool), 1, take_part, team);
    return team->seconds;
}

static int team_init(struct team *team, int n_threads)
{
    *team = (struct team){0};
    if (pool_new(n_threads, &team->pool, NULL) != 0) return -1;
    if (pthread_barrier_init(&team->barrier, NULL, (unsigned)n_threads) == 0) return 0;
    pool_free(team->pool);
    return -1;
}

static void team_fini(struct team *team)
{
    pthread_barrier_destroy(&team->barrier);
    pool_free(team->pool);
}

/* -- reading ------------------------------------------------------------------------------- */

/* Several streams at once, as a product reads several rows of weights. A sanitizer's checks of each
 * word would be measured instead of the memory, so they stay out. */
UNCHECKED static void read_share(struct team *team, int member)
{
    const size_t n = team->n_words / N_STREAMS;
    const uint64_t *words = team->words + team->n_words * (size_t)member;
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
    uint64_t *words = (uint64_t *)team->words + team->n_words * (size_t)member;
    memset(words, 1, team->n_words * sizeof *words);
}

/* Four times the last-level cache where memory allows, but never more than 1 GiB or a quarter of
 * what is free. */
static size_t probe_bytes(void)
{
    const size_t MiB = (size_t)1 << 20;
    long cache = sysconf(_SC_LEVEL3_CACHE_SIZE);
    size_t n = cache > 0 ? 4 * (size_t)cache : 256 * MiB, most = mem_available_bytes() / 4;
    if (n < 256 * MiB) n = 256 * MiB;
    if (n > 1024 * MiB) n = 1024 * MiB;
    return n < most ? n : most / MiB * MiB;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double measure_read(struct team *team)
{
    size_t n_bytes = probe_bytes();
    if (n_bytes == 0) return 0;
    void *base = mmap(NULL, n_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (base == MAP_FAILED) return 0;
    madvise(base, n_bytes,
            MADV_HUGEPAGE); /* only advice: small pages are measured where it fails */
    size_t n_threads = (size_t)pool_threads(team->pool);
    team->words = base;
    team->n_words = n_bytes / sizeof(uint64_t) / n_threads / (8 * N_STREAMS) * (8 * N_STREAMS);
    team->work = write_share;
    run_team(team);
    team->work = read_share;
    double seconds[N_PASSES];
    for (int i = 0; i < N_PASSES; i++) seconds[i] = run_team(team);
    munmap(base, n_bytes);
    qsort(seconds, N_PASSES, sizeof *seconds, ascending);
    return (double)(team->n_words * sizeof(uint64_t) * n_threads) / seconds[N_PASSES / 2] / 1e9;
}

/* -- arithmetic ------------------------------------------------------------------------------- */

static void run_burst(struct team *team, int member)
{
    double done = team->burst();
    if (member == 0) team->done = done;
}

/* The best of several bursts: other work on the machine can only slow one down. */
static double measure_peak(struct team *team, burst_fn burst)
{
    double best = 0;
    team->work = run_burst;
    team->burst = burst;
    for (int i = 0; burst && i < N_BURSTS; i++) {
        double seconds = run_team(team), rate = team->done * pool_threads(team->pool) / seconds;
        if (rate > best) best = rate;
    }
    return best / 1e9;
}

void machine_limits_measure(int n_threads, struct machine_limits *ret_limits)
{
    struct team team;
    *ret_limits = (struct machine_limits){0};
    if (team_init(&team, n_threads) != 0) return;
    ret_limits->read_gbs = measure_read(&team);
    ret_limits->f32_gflops = measure_peak(&team, peak_f32());
    ret_limits->bf16_gflops = measure_peak(&team, peak_bf16());
    ret_limits->int8_gops = measure_peak(&team, peak_int8());
    team_fini(&team);
}

double machine_read_gbs(int n_threads)
{
    struct team team;
    if (team_init(&team, n_threads) != 0) return 0;
    double gbs = measure_read(&team);
    team_fini(&team);
    return gbs;
}

int machine_cores(void) { return cpu_count(); }

const char *machine_name(void) { return cpu_name(); }
