/* SPDX-License-Identifier: MIT
 * Every entry of the kernel table at every level of this machine, against double precision: odd
 * sizes, tails, strides, unaligned weights, extreme values, memory beyond the ends (guard pages,
 * poisoned gaps), and that a row's bits never depend on what was computed beside it. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "attend_test.h"
#include "kernels.h"
#include "kernels_data.h"
#include "level_checks.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

/* -- products ------------------------------------------------------------------------------ */

struct product {
    int n_rows, n_in, n_out;
    int64_t x_stride, y_stride;
    struct mat w;
    float *x, *bias; // [n_rows][x_stride], gaps are NaN; [n_out] or NULL
    void *scratch;
};

static void product_init(struct product *p, int n_rows, int n_in, int n_out, enum weight_type type,
                         int biased)
{
    *p = (struct product){.n_rows = n_rows, .n_in = n_in, .n_out = n_out};
    p->x_stride = n_in + 3;
    p->y_stride = n_out + 5;
    size_t n_x = (size_t)(n_rows - 1) * (size_t)p->x_stride + (size_t)n_in;
    p->x = guarded(n_x * sizeof(float));
    for (size_t i = 0; i < n_x; i++)
        p->x[i] = (int64_t)i % p->x_stride < n_in ? random_float() : NAN;
    p->w = (struct mat){guarded_weights(type, (size_t)n_in * (size_t)n_out), type, n_out, n_in};
    if (biased) p->bias = guarded_random((size_t)n_out);
    p->scratch = aligned_alloc(64, (matmul_scratch_bytes() + 63) / 64 * 64);
}

static void product_fini(struct product *p)
{
    guarded_free(p->x);
    guarded_free(p->bias);
    guarded_free((void *)p->w.data);
    free(p->scratch);
}

static void check_product(const struct kernels *k, const struct product *p)
{
    size_t n_y = (size_t)p->n_rows * (size_t)p->y_stride;
    float *y = poisoned(n_y);
    int begin = p->n_out > 4 ? 1 : 0;
    size_t n_w = (size_t)p->n_in * (size_t)p->n_out;
    double *w = malloc(n_w * sizeof *w);
    for (size_t i = 0; i < n_w; i++) w[i] = stored(p->w.data, p->w.type, i);
    k->matmul(y, p->y_stride, p->x, p->x_stride, p->n_rows, &p->w, p->bias, begin, p->n_out,
              p->scratch);
    for (int r = 0; r < p->n_rows; r++)
        for (int o = 0; o < p->y_stride; o++) {
            float got = y[r * p->y_stride + o];
            if (o < begin || o >= p->n_out) {
                assert_true(got == POISON);
                continue;
            }
            double want = p->bias ? p->bias[o] : 0, size = fabs(want);
            for (int i = 0; i < p->n_in; i++) {
                double part =
                    (double)p->x[r * p->x_stride + i] * w[(size_t)o * (size_t)p->n_in + (size_t)i];
                want += part;
                size += fabs(part);
            }
            if (!(fabs(got - want) <= 1e-6 * size + 1e-30))
                fail_msg("%d x %d x %d type %d, row %d output %d: %.9g, expected %.9g", p->n_rows,
                         p->n_in, p->n_out, p->w.type, r, o, got, want);
        }
    free(w);
    free(y);
}

static void matmul_values(void **state)
{
    static const int ins[] = {1, 7, 8, 15, 16, 17, 33, 100, 1023, 1024, 1025, 2085};
    static const int rows[] = {1, 2, 3, 4, 5, 6, 7, 13, 24};
    static const int outs[] = {1, 3, 4, 5, 101};
    for (int i = 0; i < COUNT(ins); i++)
        for (int r = 0; r < COUNT(rows); r++)
            for (int type = WEIGHT_F32; type <= WEIGHT_F16; type++) {
                struct product p;
                product_init(&p, rows[r], ins[i], outs[(i + r + type) % COUNT(outs)],
                             (enum weight_type)type, (i + r) % 2);
                check_product(*state, &p);
                product_fini(&p);
            }
}

/* One row alone, a few rows, and outputs in pieces (single ones where that is quick) must give the
 * bits of the whole. */
static void check_splits(const struct kernels *k, const struct product *p)
{
    const int smallest = p->w.n_in < 1000 ? 1 : 13;
    size_t n_y = (size_t)p->n_rows * (size_t)p->y_stride;
    float *whole = poisoned(n_y), *part = poisoned(n_y);
    k->matmul(whole, p->y_stride, p->x, p->x_stride, p->n_rows, &p->w, p->bias, 0, p->n_out,
              p->scratch);
    for (int n = 1; n <= p->n_rows; n += n < 8 ? 1 : 5)
        for (int piece = smallest; piece <= p->n_out; piece = piece * 3 + 1) {
            for (size_t i = 0; i < n_y; i++) part[i] = POISON;
            for (int row = 0; row < p->n_rows; row += n)
                for (int o = 0; o < p->n_out; o += piece) {
                    int rows = row + n < p->n_rows ? n : p->n_rows - row;
                    k->matmul(part + row * p->y_stride, p->y_stride, p->x + row * p->x_stride,
                              p->x_stride, rows, &p->w, p->bias, o,
                              o + piece < p->n_out ? o + piece : p->n_out, p->scratch);
                }
            if (memcmp(whole, part, n_y * sizeof *whole) != 0)
                fail_msg("n_in %d, %d rows, %d outputs at a time: other bits", p->n_in, n, piece);
        }
    free(whole);
    free(part);
}

static void matmul_splits(void **state)
{
    static const int ins[] = {5, 48, 1000, 2500};
    for (int i = 0; i < COUNT(ins); i++)
        for (int type = WEIGHT_F32; type <= WEIGHT_F16; type++) {
            struct product p;
            product_init(&p, 23, ins[i], 110, (enum weight_type)type, i % 2);
            check_splits(*state, &p);
            product_fini(&p);
        }
}

/* -- rows ------------------------------------------------------------------------------------- */

static const int lengths[] = {1, 2, 7, 8, 9, 15, 16, 17, 31, 33, 64, 1000, 3072};

static void assert_close(const char *what, int i, float got, double want, double tolerance)
{
    if (!(fabs(got - want) <= tolerance))
        fail_msg("%s [%d]: %.9g, expected %.9g", what, i, got, want);
}

static void norms(void **state)
{
    const struct kernels *k = *state;
    for (int l = 0; l < COUNT(lengths); l++) {
        int n = lengths[l];
        float *x = guarded_random((size_t)n), *w = guarded_random((size_t)n),
              *b = guarded_random((size_t)n), *y = guarded(sizeof(float) * (size_t)n);
        for (int i = 0; i < n; i++) x[i] = (x[i] + 0.5f) * (l % 2 ? 100 : 0.01f);
        double sum = 0, squares = 0, spread = 0;
        for (int i = 0; i < n; i++) sum += x[i], squares += (double)x[i] * x[i];
        double mean = sum / n;
        for (int i = 0; i < n; i++) spread += (x[i] - mean) * (x[i] - mean);
        double rms = 1 / sqrt(squares / n + 1e-5f), dev = 1 / sqrt(spread / n + 1e-5f);
        k->rms_norm(y, x, w, n, 1e-5f);
        for (int i = 0; i < n; i++)
            assert_close("rms_norm", i, y[i], x[i] * rms * w[i], 5e-7 * fabs(x[i] * rms * w[i]));
        k->layer_norm(y, x, w, b, n, 1e-5f);
        for (int i = 0; i < n; i++) {
            double want = (x[i] - mean) * dev * w[i];
            double size = (fabs(x[i]) + fabs(mean)) * dev * fabs(w[i]) + fabs(b[i]);
            assert_close("layer_norm", i, y[i], want + b[i], 5e-7 * size);
        }
        guarded_free(x), guarded_free(w), guarded_free(b), guarded_free(y);
    }
}

static void rope_and_add(void **state)
{
    const struct kernels *k = *state;
    for (int l = 1; l < COUNT(lengths); l++) {
        int n = lengths[l], half = n / 2;
        float *x = guarded_random((size_t)n), *c = guarded_random((size_t)half),
              *s = guarded_random((size_t)half), *y = guarded(sizeof(float) * (size_t)n);
        memcpy(y, x, sizeof(float) * (size_t)n);
        k->rope(y, c, s, n);
        for (int j = 0; j < half; j++) {
            double a = x[j], b = x[j + half];
            assert_close("rope", j, y[j], a * c[j] - b * s[j], 5e-7);
            assert_close("rope", j + half, y[j + half], b * c[j] + a * s[j], 5e-7);
        }
        if (n % 2) assert_true(y[n - 1] == x[n - 1]);
        memcpy(y, x, sizeof(float) * (size_t)n);
        k->add(y, x, n);
        for (int i = 0; i < n; i++) assert_true(y[i] == 2 * x[i]);
        guarded_free(x), guarded_free(c), guarded_free(s), guarded_free(y);
    }
}

/* Values over the whole useful range and at the ends of f32. */
static float activation_input(int i)
{
    static const float ends[] = {0,   -0.0f, 1e-30f, -1e-30f, 80,   -80,   88.8f, -88.8f,
                                 103, -103,  200,    -200,    1e4f, -1e4f, 1e30f, -1e30f};
    return i < COUNT(ends) ? ends[i] : (float)(i % 4001 - 2000) * 0.0061f;
}

static void activations(void **state)
{
    const struct kernels *k = *state;
    enum { N = 4100 };
    float *x = guarded(sizeof(float) * N), *up = guarded_random(N), *y = guarded(sizeof(float) * N);
    for (int i = 0; i < N; i++) x[i] = activation_input(i);
    k->silu_mul(y, x, up, N);
    for (int i = 0; i < N; i++) {
        double want = x[i] / (1 + exp(-(double)x[i])) * up[i];
        assert_close("silu_mul", i, y[i], want, 1e-6 * fabs(want) + 1e-35);
    }
    memcpy(y, x, sizeof(float) * N);
    k->quick_gelu(y, N);
    for (int i = 0; i < N; i++) {
        double want = x[i] / (1 + exp(-1.702 * x[i]));
        /* the argument of the exponential is rounded to f32 first */
        assert_close("quick_gelu", i, y[i], want, (1e-6 + 2e-7 * fabs(x[i])) * fabs(want) + 1e-30);
    }
    memcpy(y, x, sizeof(float) * N);
    k->gelu_erf(y, N);
    for (int i = 0; i < N; i++) {
        double want = 0.5 * x[i] * erfc(-x[i] * sqrt(0.5));
        assert_close("gelu_erf", i, y[i], want, 1e-6 * fmin(1, fabs(x[i])) + 1e-6 * fabs(want));
    }
    guarded_free(x), guarded_free(up), guarded_free(y);
}

static void activation_tails(void **state)
{
    const struct kernels *k = *state;
    for (int n = 0; n <= 40; n++) { /* every length gives the bits of the long run, and no more */
        float *x = guarded(sizeof(float) * 40), *y = guarded(sizeof(float) * (size_t)n), whole[40];
        for (int i = 0; i < 40; i++) x[i] = activation_input(i);
        void (*const fns[])(float *, int64_t) = {k->quick_gelu, k->gelu_erf};
        for (int f = 0; f < COUNT(fns); f++) {
            memcpy(whole, x, sizeof whole);
            memcpy(y, x, sizeof(float) * (size_t)n);
            fns[f](whole, 40);
            fns[f](y, n);
            assert_memory_equal(y, whole, sizeof(float) * (size_t)n);
        }
        k->silu_mul(whole, x, x, 40);
        k->silu_mul(y, x + 40 - n, x + 40 - n, n);
        assert_memory_equal(y, whole + 40 - n, sizeof(float) * (size_t)n);
        guarded_free(x), guarded_free(y);
    }
}

/* All 65536 values of the 16-bit types, at every length of tail, from odd addresses. */
static void widening(void **state)
{
    const struct kernels *k = *state;
    enum { N = 65536 };
    for (int type = WEIGHT_F32; type <= WEIGHT_F16; type++) {
        size_t item = type == WEIGHT_F32 ? 4 : 2;
        char *x = guarded(item * N + 1);
        float *y = guarded(sizeof(float) * N);
        for (int i = 0; i < N; i++) {
            uint32_t bits = (uint32_t)i * (type == WEIGHT_F32 ? 65537u : 1u);
            memcpy(x + 1 + item * (size_t)i, &bits, item);
        }
        k->widen(y, x + 1, (enum weight_type)type, N);
        for (int i = 0; i < N; i++) {
            double want = stored(x + 1, (enum weight_type)type, (size_t)i);
            assert_true(isnan(want) ? isnan(y[i])
                                    : y[i] == want && !signbit(y[i]) == !signbit(want));
        }
        for (int n = 0; n < 40; n++)
            k->widen(y + N - n, x + 1 + item * (size_t)(N - n), (enum weight_type)type, n);
        guarded_free(x), guarded_free(y);
    }
}

/* -- the table -------------------------------------------------------------------------------- */

static void table(void **state)
{
    const struct kernels *k = *state;
    assert_ptr_equal(kernels_for(k->level), k);
    assert_null(kernels_for("no such level"));
    assert_non_null(kernels_best());
    assert_ptr_equal(kernels_for(kernels_best()->level), kernels_best());
}

int main(int argc, char **argv)
{
    static const struct level_check checks[] = {
        {"table", table, ENTRIES(level, level)},
        {"matmul", matmul_values, ENTRIES(matmul, matmul)},
        {"matmul splits", matmul_splits, ENTRIES(matmul, matmul)},
        {"kv put", attend_test_put, ENTRIES(kv_put, kv_put)},
        {"kv put run", attend_test_put_run, ENTRIES(kv_put_run, kv_put_run)},
        {"attend", attend_test_values, ENTRIES(attend, attend_merge)},
        {"attend bits", attend_test_bits, ENTRIES(attend, attend_merge)},
        {"attend spans", attend_test_spans, ENTRIES(attend, attend_merge)},
        {"attend neighbours", attend_test_neighbours, ENTRIES(attend, attend_merge)},
        {"attend extremes", attend_test_extremes, ENTRIES(attend, attend_merge)},
        {"norms", norms, ENTRIES(rms_norm, layer_norm)},
        {"rope, add", rope_and_add, ENTRIES(rope, add)},
        {"activations", activations, ENTRIES(silu_mul, gelu_erf)},
        {"activation tails", activation_tails, ENTRIES(silu_mul, gelu_erf)},
        {"widen", widening, ENTRIES(widen, widen)}};
    if (argc > 1 && strcmp(argv[1], "--bench") == 0) return kernels_bench();
    return run_checks("kernels", checks, COUNT(checks));
}
