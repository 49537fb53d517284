/* SPDX-License-Identifier: MIT */
#include "kernel_checks.h"

#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace kernel_tests
{

struct queue gpu_queue;

namespace
{
int n_tests, n_failed;
uint32_t random_state = 1;
} // namespace

void verdict(bool ok, const char *name, double error, double allowed)
{
    n_tests++;
    n_failed += !ok;
    printf("%sok %d - %s: error %.2g of %.2g allowed\n", ok ? "" : "not ", n_tests, name, error,
           allowed);
}

bool verdicts_end()
{
    printf("1..%d\n", n_tests);
    return n_failed == 0;
}

float random_value()
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(int32_t)random_state * 0x1p-31f;
}

vector<float> random_floats(size_t n, float scale)
{
    vector<float> x(n);
    for (float &v : x) v = random_value() * scale;
    return x;
}

float widen(struct bf16 x)
{
    uint32_t bits = (uint32_t)x.bits << 16;
    float y;
    memcpy(&y, &bits, sizeof y);
    return y;
}

struct bf16 to_bf16(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return {(uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16)};
}

vector<struct bf16> random_rows(int64_t n_rows, int64_t n, int64_t ld, float scale)
{
    vector<struct bf16> x((size_t)(n_rows * ld), {0});
    for (int64_t r = 0; r < n_rows; r++)
        for (int64_t i = 0; i < n; i++) x[(size_t)(r * ld + i)] = to_bf16(random_value() * scale);
    return x;
}

void need(cudaError_t rc)
{
    if (rc == cudaSuccess) return;
    printf("Bail out! %s\n", cudaGetErrorString(rc));
    exit(1);
}

double silu(double x) { return x / (1 + exp(-x)); }

vector<double> turned(const float *x, const vector<float> &cos, const vector<float> &sin,
                      int head_dim)
{
    vector<double> y((size_t)head_dim);
    int half = head_dim / 2;
    for (int i = 0; i < half; i++) {
        y[(size_t)i] = (double)x[i] * cos[(size_t)i] - (double)x[i + half] * sin[(size_t)i];
        y[(size_t)(i + half)] =
            (double)x[i + half] * cos[(size_t)i] + (double)x[i] * sin[(size_t)i];
    }
    return y;
}

vector<double> after_product(enum gemv_then then, const vector<double> &sums,
                             const vector<float> &y)
{
    vector<double> want(y.size());
    for (size_t o = 0; o < want.size(); o++) {
        if (then == GEMV_STORE) want[o] = sums[o];
        if (then == GEMV_ADD) want[o] = y[o] + sums[o];
        if (then == GEMV_SILU_MUL) want[o] = silu(sums[o]) * sums[o + want.size()];
    }
    return want;
}

void check_product(const char *name, struct gemv g, const vector<float> &x, const vector<float> &y,
                   const vector<double> &want)
{
    size_t n = (size_t)g.n, n_in = x.size() / n, n_y = y.size() / n;
    on_gpu<float> dx(x), dy(y), alone(y), wide(vector<float>(n * (size_t)g.w.n_out, NAN));
    g.x = dx.data;
    g.y = dy.data;
    g.wide = wide.data;
    gemv_launch(&gpu_queue, name, &g);
    compare(name, dy.read(), want, EXACT);
    g.n = 1;
    for (size_t v = 0; v < n && n > 1; v++) {
        g.x = dx.data + v * n_in;
        g.y = alone.data + v * n_y;
        gemv_launch(&gpu_queue, name, &g);
    }
    if (n > 1) compare_bits("  each as by itself", dy.read(), alone.read());
}

struct dev_mat bf16_matrix(const struct bf16 *data, int n_out, int n_in, int64_t ld)
{
    struct dev_mat m = {};
    m.data = data, m.n_out = n_out, m.n_in = n_in, m.ld = ld;
    return m;
}

} // namespace kernel_tests
