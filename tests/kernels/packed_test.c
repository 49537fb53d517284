/* SPDX-License-Identifier: MIT
 * Products whose activations are prepared (q8, q4, bf16 pairs), at every level of this machine:
 * packing, rounding, values against double precision over exactly what was stored and prepared,
 * odd sizes, tails, extremes, memory beyond the ends, and bits that depend on no split. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "kernels.h"
#include "kernels_data.h"
#include "level_checks.h"
#include "packed.h"

#define COUNT(a) ((int)(sizeof(a) / sizeof(a)[0]))

static const enum weight_type types[] = {WEIGHT_BF16_PAIRS, WEIGHT_Q8, WEIGHT_Q4};

static bool is_packed(enum weight_type type) { return type != WEIGHT_BF16_PAIRS; }

struct product {
    int n_rows;
    int64_t x_stride, y_stride;
    struct mat w;
    float *x, *bias; // [n_rows][x_stride], gaps are NaN; [n_out] or NULL
    void *rows, *scratch;
};

/* Any weights, packed strip by strip; in memory that ends where the last strip does. */
static void *packed_weights(const struct kernels *k, enum weight_type type, int n_out, int n_in,
                            float size)
{
    size_t strip = pack_strip_bytes(type, n_in);
    char *data = guarded(mat_bytes(type, n_out, n_in));
    float *values = malloc(sizeof *values * PACK_OUTS * (size_t)n_in);
    for (int o = 0; o < n_out; o += PACK_OUTS) {
        int n = n_out - o < PACK_OUTS ? n_out - o : PACK_OUTS;
        for (int i = 0; i < n * n_in; i++) values[i] = size * random_float();
        k->pack(data + strip * (size_t)(o / PACK_OUTS), type, values, n, n_in);
    }
    free(values);
    return data;
}

static void prepare_all(const struct kernels *k, struct product *p)
{
    k->prepare(p->rows, p->x, p->x_stride, p->n_rows, p->w.type, p->w.n_in);
}

static void product_init(const struct kernels *k, struct product *p, int n_rows, int n_in,
                         int n_out, enum weight_type type, bool biased)
{
    *p = (struct product){.n_rows = n_rows, .x_stride = n_in + 3, .y_stride = n_out + 5};
    size_t n_x = (size_t)(n_rows - 1) * (size_t)p->x_stride + (size_t)n_in;
    p->x = guarded(n_x * sizeof(float));
    for (size_t i = 0; i < n_x; i++)
        p->x[i] = (int64_t)i % p->x_stride < n_in ? random_float() : NAN;
    const void *data = is_packed(type) ? packed_weights(k, type, n_out, n_in, 0.05f)
                                       : guarded_weights(WEIGHT_BF16, (size_t)n_in * (size_t)n_out);
    p->w = (struct mat){data, type, n_out, n_in};
    if (biased) p->bias = guarded_random((size_t)n_out);
    p->rows = guarded(prepared_bytes(type, n_in) * (size_t)n_rows);
    p->scratch = aligned_alloc(64, (matmul_scratch_bytes() + 63) / 64 * 64);
    prepare_all(k, p);
}

static void product_fini(struct product *p)
{
    guarded_free(p->x);
    guarded_free(p->bias);
    guarded_free(p->rows);
    guarded_free((void *)p->w.data);
    free(p->scratch);
}

/* -- Packing ---------------------------------------------------------------------------------- */

/* The largest error of any weight, in shares of the largest of its 32. The smallest scales are
 * coarse: 2^-30 apart, and up to 128 of them make a weight. */
static double packing_error(const struct kernels *k, enum weight_type type, int n_in, float size)
{
    enum { N_OUT = 19 };
    float *values = malloc(sizeof *values * N_OUT * (size_t)n_in);
    float *back = guarded((size_t)n_in * sizeof *back);
    char *data = guarded(mat_bytes(type, N_OUT, n_in));
    struct mat w = {data, type, N_OUT, n_in};
    double worst = 0;
    for (int i = 0; i < N_OUT * n_in; i++) values[i] = size * random_float();
    k->pack(data, type, values, PACK_OUTS, n_in);
    k->pack(data + pack_strip_bytes(type, n_in), type, values + PACK_OUTS * n_in, N_OUT - PACK_OUTS,
            n_in);
    for (int o = 0; o < N_OUT; o++) {
        k->unpack_row(back, &w, o);
        for (int i = 0; i < n_in; i++) {
            const float *block = values + o * n_in + i / 32 * 32;
            double largest = 0;
            for (int j = 0; j < 32 && i / 32 * 32 + j < n_in; j++)
                largest = fmax(largest, fabs(block[j]));
            worst = fmax(worst, (fabs(back[i] - values[o * n_in + i]) - 0x1p-23) / largest);
        }
    }
    free(values);
    guarded_free(back);
    guarded_free(data);
    return worst;
}

/* A weight is off by half a step; the scale that is best for all may leave the largest out. */
static void packing(void **state)
{
    static const int ins[] = {1, 31, 32, 33, 100, 256};
    for (int i = 0; i < COUNT(ins); i++) {
        assert_true(packing_error(*state, WEIGHT_Q8, ins[i], 1) < 0.008);
        assert_true(packing_error(*state, WEIGHT_Q8, ins[i], 1e-3f) < 0.008);
        assert_true(packing_error(*state, WEIGHT_Q4, ins[i], 1) < 0.2);
        assert_true(packing_error(*state, WEIGHT_Q4, ins[i], 1e3f) < 0.2);
    }
}

/* Zeros, weights too small for any scale, and too large for one. */
static void packing_extremes(void **state)
{
    const struct kernels *k = *state;
    for (int t = 1; t < COUNT(types); t++) {
        float values[64] = {[1] = 1e-40f, [31] = -1e-12f, [40] = 3e38f, [41] = -1e38f}, back[64];
        void *strip = guarded(pack_strip_bytes(types[t], 64));
        struct mat w = {strip, types[t], 1, 64};
        k->pack(strip, types[t], values, 1, 64);
        k->unpack_row(back, &w, 0);
        for (int i = 0; i < 32; i++) assert_true(back[i] == 0);
        for (int i = 32; i < 64; i++) assert_true(isfinite(back[i]));
        assert_true(back[40] > 7000 && back[41] <= 0);
        guarded_free(strip);
    }
}

/* Exact values come back exactly: whole numbers of a range times a power of two. */
static void packing_exact(void **state)
{
    const struct kernels *k = *state;
    for (int t = 1; t < COUNT(types); t++) {
        float values[32], back[32];
        int half = types[t] == WEIGHT_Q4 ? 8 : 128;
        for (int i = 0; i < 32; i++)
            values[i] = ldexpf((float)(i == 0 ? -half : i * 37 % (2 * half) - half), -9);
        void *strip = guarded(pack_strip_bytes(types[t], 32));
        struct mat w = {strip, types[t], 1, 32};
        k->pack(strip, types[t], values, 1, 32);
        k->unpack_row(back, &w, 0);
        assert_memory_equal(values, back, sizeof values);
        guarded_free(strip);
    }
}

static void packing_same_at_all_levels(void **state)
{
    const struct kernels *k = *state, *portable = kernels_for("portable");
    float *values = guarded_random(PACK_OUTS * 100);
    for (int t = 1; t < COUNT(types); t++) {
        size_t n = pack_strip_bytes(types[t], 100);
        void *a = guarded(n), *b = guarded(n);
        for (int rows = 1; rows <= PACK_OUTS; rows += 5) {
            k->pack(a, types[t], values, rows, 100);
            portable->pack(b, types[t], values, rows, 100);
            assert_memory_equal(a, b, n);
        }
        guarded_free(a);
        guarded_free(b);
    }
    guarded_free(values);
}

/* -- Values ----------------------------------------------------------------------------------- */

static double largest_size(const float *x, int n)
{
    double largest = 0;
    for (int i = 0; i < n; i++) largest = fmax(largest, fabs(x[i]));
    return largest;
}

/* Of a block of 32: the least power of two times the row's unit that keeps it within 127, as far as
 * f32 arithmetic tells. */
static double block_step(const float *x, int n, int block, double unit)
{
    int i = block * 32;
    double largest = largest_size(x + i, n - i < 32 ? n - i : 32);
    if (largest == 0) return 0;
    double step = unit * exp2(block_exponent((float)largest, (int)(unit * 16) - 16));
    assert_true(largest <= 127 * step * (1 + 2e-7) && largest > 127 * step / 2 * (1 - 2e-7));
    return step;
}

/* No other unit gives a row smaller steps. */
static void check_unit(const float *x, int n, double unit)
{
    double cost[2] = {0}, least = INFINITY;
    assert_true(unit >= 1 && unit < 2 && unit * 16 == floor(unit * 16));
    for (int u = 16; u < 32; u++) {
        cost[1] = 0;
        for (int b = 0; b * 32 < n; b++) cost[1] += pow(block_step(x, n, b, u / 16.0), 2);
        least = fmin(least, cost[1]);
        if (unit * 16 == u) cost[0] = cost[1];
    }
    assert_true(cost[0] <= 1.0001 * least);
}

/* What an activation becomes: bf16, or a whole multiple of its block's step. either: how far the other
 * multiple lies from it where it is so near to the middle of two that f32 arithmetic may take either. */
static void rounded(double *to, double *either, const float *x, int n, enum weight_type type,
                    double unit)
{
    if (type != WEIGHT_BF16_PAIRS) check_unit(x, n, unit);
    for (int i = 0; i < n; i++) {
        either[i] = 0;
        if (type == WEIGHT_BF16_PAIRS) {
            int e;
            double f = frexp(x[i], &e);
            to[i] = ldexp(nearbyint(f * 256), e - 8);
            continue;
        }
        double step = block_step(x, n, i / 32, unit), steps = step > 0 ? x[i] / step : 0;
        to[i] = step * nearbyint(steps);
        if (0.5 - fabs(steps - nearbyint(steps)) < 2e-7 * fabs(steps)) either[i] = step;
    }
}

static double *stored_matrix(const struct kernels *k, const struct mat *w)
{
    double *to = malloc(sizeof *to * (size_t)w->n_out * (size_t)w->n_in);
    float *row = malloc(sizeof *row * (size_t)w->n_in);
    for (int o = 0; o < w->n_out; o++) {
        if (is_packed(w->type)) k->unpack_row(row, w, o);
        for (int i = 0; i < w->n_in; i++) {
            size_t at = (size_t)o * (size_t)w->n_in + (size_t)i;
            to[at] = is_packed(w->type) ? row[i] : stored(w->data, WEIGHT_BF16, at);
        }
    }
    free(row);
    return to;
}

static void check_product(const struct kernels *k, const struct product *p)
{
    int n_in = p->w.n_in, n_out = p->w.n_out, begin = n_out > 4 ? 1 : 0;
    float *y = poisoned((size_t)p->n_rows * (size_t)p->y_stride);
    double *w = stored_matrix(k, &p->w), *x = malloc(sizeof *x * (size_t)n_in),
           *either = malloc(sizeof *either * (size_t)n_in);
    k->matmul_prepared(y, p->y_stride, p->rows, p->n_rows, &p->w, p->bias, begin, n_out,
                       p->scratch);
    for (int r = 0; r < p->n_rows; r++) {
        const char *row = (char *)p->rows + prepared_bytes(p->w.type, n_in) * (size_t)r;
        double unit = is_packed(p->w.type) ? *row_unit(row, pack_blocks(n_in)) : 0;
        rounded(x, either, p->x + r * p->x_stride, n_in, p->w.type, unit);
        for (int o = 0; o < p->y_stride; o++) {
            float got = y[r * p->y_stride + o];
            if (o < begin || o >= n_out) {
                assert_true(got == POISON);
                continue;
            }
            double want = p->bias ? p->bias[o] : 0, size = fabs(want), room = 1e-30;
            for (int i = 0; i < n_in; i++) {
                double weight = w[(size_t)o * (size_t)n_in + (size_t)i];
                want += x[i] * weight;
                size += fabs(x[i] * weight);
                room += either[i] * fabs(weight);
            }
            if (!(fabs(got - want) <= 1e-6 * size + room))
                fail_msg("%d x %d x %d type %d, row %d output %d: %.9g, expected %.9g", p->n_rows,
                         n_in, n_out, p->w.type, r, o, got, want);
        }
    }
    free(w);
    free(x);
    free(either);
    free(y);
}

static void values(void **state)
{
    static const int ins[] = {1, 7, 31, 32, 33, 64, 100, 1023, 1056, 2085};
    static const int rows[] = {1, 2, 3, 4, 5, 6, 7, 13, 24, 1030}; /* more than pass together */
    static const int outs[] = {1, 3, 16, 33, 65, 101};
    for (int i = 0; i < COUNT(ins); i++)
        for (int r = 0; r < COUNT(rows) && rows[r] * ins[i] < 50000; r++)
            for (int t = 0; t < COUNT(types); t++) {
                struct product p;
                product_init(*state, &p, rows[r], ins[i], outs[(i + r + t) % COUNT(outs)], types[t],
                             (i + r) % 2);
                check_product(*state, &p);
                product_fini(&p);
            }
}

/* Every weight and every activation at the ends of its range, where 16-bit sums would overflow. */
static void full_range(void **state)
{
    const struct kernels *k = *state;
    enum { N_IN = 96, N_OUT = 32 };
    for (int t = 0; t < COUNT(types); t++)
        for (int signs = 0; signs < 4; signs++) {
            struct product p;
            product_init(k, &p, 8, N_IN, N_OUT, types[t], false);
            for (int r = 0; r < p.n_rows; r++)
                for (int i = 0; i < N_IN; i++) p.x[r * p.x_stride + i] = signs & 1 ? 127 : -127;
            size_t strip = pack_strip_bytes(types[t], N_IN),
                   block = types[t] == WEIGHT_Q4 ? 256 : 512;
            for (int o = 0; is_packed(types[t]) && o < N_OUT; o += PACK_OUTS)
                memset((char *)p.w.data + strip * (size_t)(o / PACK_OUTS), signs & 2 ? 255 : 0,
                       block * (N_IN / 32));
            prepare_all(k, &p);
            check_product(k, &p);
            product_fini(&p);
        }
}

/* Activations far apart, tiny, huge; none that is not finite goes unnoticed. */
static void extremes(void **state)
{
    const struct kernels *k = *state;
    static const float odd[] = {1e-38f, -1e30f, 3e-20f, 0, 1e10f, -1, 1e-45f, 65504};
    for (int t = 0; t < COUNT(types); t++) {
        struct product p;
        product_init(k, &p, 7, 70, 20, types[t], true);
        for (int r = 0; r < p.n_rows; r++)
            for (int i = 0; i < 70; i++) p.x[r * p.x_stride + i] = odd[(r * 3 + i) % COUNT(odd)];
        p.x[3 * p.x_stride + 69] = NAN;
        p.x[5 * p.x_stride + 2] = INFINITY;
        prepare_all(k, &p);
        float y[7][25];
        k->matmul_prepared(y[0], 25, p.rows, 7, &p.w, p.bias, 0, 20, p.scratch);
        for (int r = 0; r < 7; r++)
            for (int o = 0; o < 20; o++)
                assert_true(r == 3 || r == 5 ? !isfinite(y[r][o]) : isfinite(y[r][o]));
        product_fini(&p);
    }
}

/* -- The same bits ---------------------------------------------------------------------------- */

static void multiply(const struct kernels *k, const struct product *p, float *y, int row, int n,
                     int begin, int end)
{
    size_t bytes = prepared_bytes(p->w.type, p->w.n_in);
    k->matmul_prepared(y + row * p->y_stride, p->y_stride, (char *)p->rows + bytes * (size_t)row, n,
                       &p->w, p->bias, begin, end < p->w.n_out ? end : p->w.n_out, p->scratch);
}

/* One row alone, a few rows, and outputs in pieces (single ones where that is quick) must give the
 * bits of the whole. */
static void check_splits(const struct kernels *k, const struct product *p)
{
    const int smallest = p->w.n_in < 1000 ? 1 : 13;
    size_t n_y = (size_t)p->n_rows * (size_t)p->y_stride;
    float *whole = poisoned(n_y), *part = poisoned(n_y);
    multiply(k, p, whole, 0, p->n_rows, 0, p->w.n_out);
    for (int n = 1; n <= p->n_rows; n += n < 8 ? 1 : 5)
        for (int piece = smallest; piece <= p->w.n_out; piece = piece * 3 + 1) {
            for (size_t i = 0; i < n_y; i++) part[i] = POISON;
            for (int row = 0; row < p->n_rows; row += n)
                for (int o = 0; o < p->w.n_out; o += piece)
                    multiply(k, p, part, row, row + n < p->n_rows ? n : p->n_rows - row, o,
                             o + piece);
            if (memcmp(whole, part, n_y * sizeof *whole) != 0)
                fail_msg("type %d, n_in %d, %d rows, %d outputs at a time: other bits", p->w.type,
                         p->w.n_in, n, piece);
        }
    free(whole);
    free(part);
}

static void splits(void **state)
{
    static const int ins[] = {5, 48, 1000, 4100};
    for (int i = 0; i < COUNT(ins); i++)
        for (int t = 0; t < COUNT(types); t++) {
            struct product p;
            product_init(*state, &p, 23, ins[i], 110, types[t], i % 2);
            check_splits(*state, &p);
            product_fini(&p);
        }
}

/* The first rows of many: levels choose another way of multiplying by how many there are. */
static void row_counts(void **state)
{
    enum { ROWS = 130, OUTS = 35 };
    static const int ins[] = {70, 2100};
    for (int i = 0; i < COUNT(ins); i++)
        for (int t = 0; t < COUNT(types); t++) {
            struct product p;
            product_init(*state, &p, ROWS, ins[i], OUTS, types[t], true);
            size_t n_y = (size_t)ROWS * (size_t)p.y_stride;
            float *whole = poisoned(n_y), *part = poisoned(n_y);
            multiply(*state, &p, whole, 0, ROWS, 0, OUTS);
            for (int n = 1; n <= ROWS; n += n < 17 || n > 94 ? 1 : 11) {
                multiply(*state, &p, part, 0, n, 0, OUTS);
                if (memcmp(whole, part, (size_t)(n * p.y_stride) * sizeof *whole) != 0)
                    fail_msg("type %d, n_in %d: other bits with %d rows", types[t], ins[i], n);
            }
            free(whole);
            free(part);
            product_fini(&p);
        }
}

/* Preparing rows together or one by one. */
static void preparing_splits(void **state)
{
    const struct kernels *k = *state;
    for (int t = 0; t < COUNT(types); t++) {
        struct product p;
        product_init(k, &p, 9, 77, 1, types[t], false);
        size_t bytes = prepared_bytes(types[t], 77);
        float *a = poisoned(9), *b = poisoned(9);
        k->matmul_prepared(a, 1, p.rows, 9, &p.w, NULL, 0, 1, p.scratch);
        for (int r = 8; r >= 0; r--)
            k->prepare((char *)p.rows + bytes * (size_t)r, p.x + r * p.x_stride, p.x_stride, 1,
                       types[t], 77);
        k->matmul_prepared(b, 1, p.rows, 9, &p.w, NULL, 0, 1, p.scratch);
        assert_memory_equal(a, b, 9 * sizeof *a);
        free(a);
        free(b);
        product_fini(&p);
    }
}

/* Packed products are defined to the last bit (packed.h), so levels agree. */
static void same_as_portable(void **state)
{
    const struct kernels *k = *state, *portable = kernels_for("portable");
    for (int t = 1; t < COUNT(types); t++) {
        struct product p;
        product_init(k, &p, 9, 1111, 40, types[t], true);
        size_t n_y = (size_t)p.n_rows * (size_t)p.y_stride;
        float *a = poisoned(n_y), *b = poisoned(n_y);
        multiply(k, &p, a, 0, p.n_rows, 0, p.w.n_out);
        prepare_all(portable, &p);
        multiply(portable, &p, b, 0, p.n_rows, 0, p.w.n_out);
        assert_memory_equal(a, b, n_y * sizeof *a);
        free(a);
        free(b);
        product_fini(&p);
    }
}

int main(void)
{
    static const struct level_check checks[] = {
        {"packing", packing, ENTRIES(pack, unpack_row)},
        {"packing extremes", packing_extremes, ENTRIES(pack, unpack_row)},
        {"packing exact", packing_exact, ENTRIES(pack, unpack_row)},
        {"packing as portable", packing_same_at_all_levels, ENTRIES(pack, unpack_row)},
        {"values", values, ENTRIES(prepare, matmul_prepared)},
        {"full range", full_range, ENTRIES(prepare, matmul_prepared)},
        {"extremes", extremes, ENTRIES(prepare, matmul_prepared)},
        {"splits", splits, ENTRIES(prepare, matmul_prepared)},
        {"row counts", row_counts, ENTRIES(prepare, matmul_prepared)},
        {"preparing splits", preparing_splits, ENTRIES(prepare, matmul_prepared)},
        {"as portable", same_as_portable, ENTRIES(prepare, matmul_prepared)}};
    return run_checks("packed kernels", checks, COUNT(checks));
}
