/* SPDX-License-Identifier: MIT
 * `kernels_test --bench`: one thread through every entry, beside the limits measured in the same
 * run. */
#define _GNU_SOURCE
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/cpu.h"
#include "kernels.h"
#include "kernels_data.h"

enum { N_IN = 3072, N_OUT = 3072, MATRICES = 8, MAX_ROWS = 512, HEADS = 256, HEAD_DIM = 96 };
enum { REPEATS = 4 };

struct data {
    char *weights; // MATRICES matrices of N_OUT x N_IN floats: more than caches hold
    float *x, *y;  // [MAX_ROWS][N_IN]
    void *scratch;
    struct machine_limits limits;
};

/* Processor time: what else the machine does should not count. */
static double now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void print_line(const char *level, const char *what, double amount, double seconds,
                       double limit, const char *unit)
{
    double rate = amount / seconds / 1e9;
    printf("%-9s %-26s %8.1f %s", level, what, rate, unit);
    if (limit > 0) printf("  %3.0f %%", 100 * rate / limit);
    putchar('\n');
}

static void bench_matmul(const struct kernels *k, const struct data *d, enum weight_type type,
                         int n_rows)
{
    static const char *const types[] = {"f32", "bf16", "f16"};
    size_t bytes = (size_t)N_OUT * N_IN * (type == WEIGHT_F32 ? 4 : 2);
    double best = 1e9;
    for (int i = 0; i < REPEATS; i++) {
        struct mat w = {d->weights + bytes * (size_t)(i % MATRICES), type, N_OUT, N_IN};
        double start = now_s();
        k->matmul(d->y, N_OUT, d->x, N_IN, n_rows, &w, NULL, 0, N_OUT, d->scratch);
        double seconds = now_s() - start;
        if (seconds < best) best = seconds;
    }
    char what[40];
    snprintf(what, sizeof what, "matmul %s, %d rows", types[type], n_rows);
    if (n_rows < 6)
        print_line(k->level, what, (double)bytes, best, d->limits.read_gbs, "GB/s    ");
    else
        print_line(k->level, what, 2.0 * n_rows * N_OUT * N_IN, best, d->limits.f32_gflops,
                   "GFLOP/s ");
}

/* The decoder's products with rows prepared before, whose time does not count. What lies in the
 * weights makes no difference, so they are not packed. False without memory. */
static bool bench_prepared(const struct kernels *k, const struct data *d, enum weight_type type,
                           int n_in, int n_out)
{
    static const char *const types[] = {
        [WEIGHT_BF16_PAIRS] = "bf16 pairs", [WEIGHT_Q8] = "q8", [WEIGHT_Q4] = "q4"};
    double limit = type == WEIGHT_BF16_PAIRS ? d->limits.bf16_gflops : d->limits.int8_gops;
    float *x = calloc((size_t)MAX_ROWS * (size_t)n_in, sizeof *x);
    float *y = malloc(sizeof *y * (size_t)MAX_ROWS * (size_t)n_out);
    void *rows = aligned_alloc(64, MAX_ROWS * prepared_bytes(type, n_in));
    bool whole = x && y && rows;
    double best = 1e9;
    if (whole) k->prepare(rows, x, n_in, MAX_ROWS, type, n_in);
    for (int i = 0; i < REPEATS && whole; i++) {
        struct mat w = {d->weights, type, n_out, n_in};
        double start = now_s();
        k->matmul_prepared(y, n_out, rows, MAX_ROWS, &w, NULL, 0, n_out, d->scratch);
        double seconds = now_s() - start;
        if (seconds < best) best = seconds;
    }
    char what[60];
    snprintf(what, sizeof what, "%s %dx%d, %d rows", types[type], n_in, n_out, MAX_ROWS);
    if (whole) print_line(k->level, what, 2.0 * MAX_ROWS * n_in * n_out, best, limit, "GFLOP/s ");
    free(x), free(y), free(rows);
    return whole;
}

static bool bench_products(const struct kernels *k, const struct data *d)
{
    bool whole = true;
    for (int type = WEIGHT_BF16_PAIRS; type < N_WEIGHT_TYPES; type++)
        whole = whole && bench_prepared(k, d, (enum weight_type)type, 3072, 9216) &&
                bench_prepared(k, d, (enum weight_type)type, 3072, 3072) &&
                bench_prepared(k, d, (enum weight_type)type, 3072, 16384) &&
                bench_prepared(k, d, (enum weight_type)type, 8192, 3072);
    return whole;
}

/* HEADS heads with 512 keys of their own. */
static void bench_attend(const struct kernels *k, const struct data *d, enum kv_type type, int n_q)
{
    enum { BLOCKS = 8 };
    static const char *const types[KV_TYPES] = {"f32", "f16", "q8", "bf16"};
    const size_t packed = kv_packed_bytes(type, HEAD_DIM);
    const void *keys[BLOCKS], *values[BLOCKS];
    int heads = n_q == 1 ? HEADS : 8;
    double best = 1e9;
    for (int i = 0; i < REPEATS; i++) {
        double start = now_s();
        for (int h = 0; h < heads; h++) {
            for (int b = 0; b < BLOCKS; b++) {
                keys[b] = d->weights + (size_t)(h * BLOCKS + b) * 2 * packed;
                values[b] = (const char *)keys[b] + packed;
            }
            struct attend_args a = {.out = d->y,
                                    .out_stride = HEAD_DIM,
                                    .q = d->x,
                                    .q_stride = HEAD_DIM,
                                    .n_q = n_q,
                                    .n_keys = BLOCKS * KV_BLOCK,
                                    .head_dim = HEAD_DIM,
                                    .scale = 0.1f,
                                    .kv = {type, keys, values},
                                    .scratch = d->scratch};
            k->attend(&a);
        }
        double seconds = now_s() - start;
        if (seconds < best) best = seconds;
    }
    char what[40];
    snprintf(what, sizeof what, "attend %s, %d queries", types[type], n_q);
    double cells = (double)heads * BLOCKS;
    if (n_q == 1)
        print_line(k->level, what, 2 * cells * (double)packed, best, d->limits.read_gbs,
                   "GB/s    ");
    else
        print_line(k->level, what, 4 * cells * KV_BLOCK * HEAD_DIM * n_q, best,
                   d->limits.f32_gflops, "GFLOP/s ");
}

/* Row entries, on rows that lie in the caches. The activations work in place, so they get a fresh
 * copy each time, which counts. */
static void bench_row(const struct kernels *k, const struct data *d, int entry)
{
    enum { N = 8192, TIMES = 128 };
    static const char *const names[] = {"rms_norm",   "layer_norm", "add",       "silu_mul",
                                        "quick_gelu", "gelu_erf",   "widen bf16"};
    float *x = d->x, *y = d->y;
    double start = now_s();
    for (int i = 0; i < TIMES; i++) {
        if (entry >= 4) memcpy(y, x, N * sizeof *y);
        switch (entry) {
        case 0:
            k->rms_norm(y, x, x + N, N, 1e-5f);
            break;
        case 1:
            k->layer_norm(y, x, x + N, x + 2 * N, N, 1e-5f);
            break;
        case 2:
            k->add(y, x, N);
            break;
        case 3:
            k->silu_mul(y, x, x + N, N);
            break;
        case 4:
            k->quick_gelu(y, N);
            break;
        case 5:
            k->gelu_erf(y, N);
            break;
        default:
            k->widen(y, x + N, WEIGHT_BF16, N);
            break;
        }
    }
    print_line(k->level, names[entry], (double)N * TIMES, now_s() - start, 0, "G elements/s");
}

int kernels_bench(void)
{
    size_t bytes = (size_t)MATRICES * N_OUT * N_IN * sizeof(float);
    size_t room = matmul_scratch_bytes() + attend_scratch_floats(HEAD_DIM) * sizeof(float);
    struct data d = {.weights = aligned_alloc(64, bytes),
                     .scratch = aligned_alloc(64, room / 64 * 64 + 64)};
    d.x = aligned_alloc(64, sizeof(float) * MAX_ROWS * N_IN);
    d.y = aligned_alloc(64, sizeof(float) * MAX_ROWS * N_OUT);
    if (!d.weights || !d.scratch || !d.x || !d.y) return 1;
    /* 0x3e00 is about 0.1 in every type, twice in an f32 */
    for (size_t i = 0; i < bytes / 2; i++)
        ((uint16_t *)(void *)d.weights)[i] = (uint16_t)(0x3e00 + i % 64);
    for (size_t i = 0; i < (size_t)MAX_ROWS * N_IN; i++) d.x[i] = random_float();
    machine_limits_measure(1, &d.limits);
    printf("one thread: reads %.1f GB/s, f32 %.0f, bf16 %.0f, int8 %.0f GFLOP/s\n",
           d.limits.read_gbs, d.limits.f32_gflops, d.limits.bf16_gflops, d.limits.int8_gops);
    for (int l = 0; l < N_CPU_LEVELS; l++) {
        const struct kernels *k = kernels_for(cpu_level_name((enum cpu_level)l));
        if (!k) continue;
        for (int type = WEIGHT_F32; type <= WEIGHT_F16; type++)
            bench_matmul(k, &d, (enum weight_type)type, 1);
        for (int rows = 6; rows <= MAX_ROWS; rows = rows * 9 / 2)
            bench_matmul(k, &d, WEIGHT_BF16, rows);
        if (!bench_products(k, &d)) break;
        for (int type = KV_F32; type < KV_TYPES; type++) {
            bench_attend(k, &d, (enum kv_type)type, 1);
            bench_attend(k, &d, (enum kv_type)type, ATTEND_MAX_Q);
        }
        for (int entry = 0; entry < 7; entry++) bench_row(k, &d, entry);
    }
    free(d.weights), free(d.scratch), free(d.x), free(d.y);
    return 0;
}
