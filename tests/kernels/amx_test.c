/* SPDX-License-Identifier: MIT
 * The processor's tile unit against its emulation, bit for bit. Run with PHI3V_CPU=amx-emulated, which allows both;
 * skipped by name where there is no tile unit. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"
#include "kernels.h"
#include "kernels_data.h"

enum { ROWS = 120, INS = 2100, OUTS = 40, DIM = 80 };

typedef float (*number_fn)(int i);

static float ordinary(int i)
{
    (void)i;
    return random_float();
}
/* Around the least normal number of f32, so that products and sums fall below it. */
static float denormal(int i) { return ldexpf(random_float(), -60 - i % 90); }
/* Sums of numbers far apart, most of which cancel. */
static float cancelling(int i)
{
    return ldexpf(i % 2 ? 1.0f : -1.0f, i / 2 % 24) * (1 + i % 3 * 0x1p-7f);
}
static float infinite(int i)
{
    return i % 977 == 5 ? INFINITY : i % 1499 == 8 ? NAN : random_float();
}

static const number_fn kinds[] = {ordinary, denormal, cancelling, infinite};
enum { N_KINDS = sizeof kinds / sizeof *kinds };

/* NaN equals NaN, whatever its bits. */
static void assert_same(const char *what, int kind, const float *chip, const float *plain, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (memcmp(chip + i, plain + i, sizeof *chip) && !(isnan(chip[i]) && isnan(plain[i])))
            fail_msg("%s, numbers of kind %d: [%zu] is %a, emulated %a", what, kind, i, chip[i],
                     plain[i]);
}

static float *numbers(number_fn fn, int n)
{
    float *x = malloc((size_t)n * sizeof *x);
    for (int i = 0; i < n; i++) x[i] = fn(i);
    return x;
}

static void products(void **state)
{
    (void)state;
    const struct kernels *levels[2] = {kernels_for("amx"), kernels_for("amx-emulated")};
    for (int kind = 0; kind < N_KINDS; kind++)
        for (int n_rows = 1; n_rows <= ROWS; n_rows = n_rows * 3 + 4) {
            float *x = numbers(kinds[kind], n_rows * INS), *w = numbers(kinds[kind], OUTS * INS),
                  *y[2];
            uint16_t *stored_w = malloc((size_t)OUTS * INS * sizeof *stored_w);
            for (int i = 0; i < OUTS * INS; i++) stored_w[i] = bf16_bits(w[i]);
            struct mat m = {stored_w, WEIGHT_BF16_PAIRS, OUTS, INS};
            size_t row = prepared_bytes(m.type, INS),
                   scratch = (matmul_scratch_bytes() + 63) / 64 * 64;
            for (int l = 0; l < 2; l++) {
                void *rows = aligned_alloc(64, row * (size_t)n_rows),
                     *room = aligned_alloc(64, scratch);
                y[l] = poisoned((size_t)n_rows * OUTS);
                levels[l]->prepare(rows, x, INS, n_rows, m.type, INS);
                levels[l]->matmul_prepared(y[l], OUTS, rows, n_rows, &m, NULL, 0, OUTS, room);
                free(rows), free(room);
            }
            assert_same("a product", kind, y[0], y[1], (size_t)n_rows * OUTS);
            free(x), free(w), free(stored_w), free(y[0]), free(y[1]);
        }
}

static void attention(void **state)
{
    (void)state;
    enum { N_KEYS = 150, FIRST = N_KEYS - 33, BLOCKS = (N_KEYS + KV_BLOCK - 1) / KV_BLOCK };
    const struct kernels *levels[2] = {kernels_for("amx"), kernels_for("amx-emulated")};
    for (int kind = 0; kind < N_KINDS - 1; kind++) {
        float *q = numbers(ordinary, 33 * DIM), *kv = numbers(kinds[kind], 2 * N_KEYS * DIM),
              *out[2];
        void *k[BLOCKS], *v[BLOCKS],
            *scratch = aligned_alloc(64, (attend_scratch_floats(DIM) * 4 + 63) / 64 * 64);
        for (int b = 0; b < BLOCKS; b++) {
            k[b] = aligned_alloc(64, kv_packed_bytes(KV_BF16, DIM)),
            v[b] = aligned_alloc(64, kv_packed_bytes(KV_BF16, DIM));
            memset(v[b], 0xff, kv_packed_bytes(KV_BF16, DIM));
        }
        for (int i = 0; i < N_KEYS; i++)
            levels[1]->kv_put(k[i / KV_BLOCK], v[i / KV_BLOCK], KV_BF16, i % KV_BLOCK,
                              kv + 2 * i * DIM, kv + (2 * i + 1) * DIM, DIM);
        for (int l = 0; l < 2; l++) {
            out[l] = poisoned(33 * DIM);
            levels[l]->attend(&(struct attend_args){
                .out = out[l],
                .out_stride = DIM,
                .q = q,
                .q_stride = DIM,
                .n_q = 33,
                .first_pos = FIRST,
                .causal = 1,
                .head_dim = DIM,
                .scale = 0.1f,
                .kv = {KV_BF16, (const void *const *)k, (const void *const *)v},
                .scratch = scratch});
        }
        assert_same("attention", kind, out[0], out[1], 33 * DIM);
        for (int b = 0; b < BLOCKS; b++) free(k[b]), free(v[b]);
        free(q), free(kv), free(scratch), free(out[0]), free(out[1]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(products), cmocka_unit_test(attention)};
    if (!cpu_has(CPU_AMX)) {
        printf("1..0 # SKIP no tile unit to compare with: it lacks %s\n", cpu_why_off(CPU_AMX));
        return 0;
    }
    if (!cpu_has(CPU_AMX_EMULATED)) {
        printf("1..0 # SKIP run it with PHI3V_CPU=amx-emulated\n");
        return 0;
    }
    return cmocka_run_group_tests_name("tiles", tests, NULL, NULL);
}
