/* SPDX-License-Identifier: MIT */
/* Products of bf16 matrices with one vector. */
#include <cstdio>

#include "kernel_checks.h"

namespace kernel_tests
{
namespace
{

void test_gemv(int n_out, int n_in, enum gemv_then then, bool with_norm)
{
    char name[100];
    snprintf(name, sizeof name, "gemv %dx%d then %d%s", n_out, n_in, then,
             with_norm ? " norm" : "");
    int64_t ld = pad_row(n_in);
    int n_y = then == GEMV_SILU_MUL ? n_out / 2 : n_out;
    vector<struct bf16> w = random_rows(n_out, n_in, ld, 0.2f);
    vector<float> x = random_floats((size_t)n_in), norm = random_floats((size_t)n_in, 2),
                  y = random_floats((size_t)n_y);
    on_card<struct bf16> dw(w);
    on_card<float> dx(x), dnorm(norm), dy(y);
    struct gemv g = {};
    g.w = bf16_matrix(dw.data, n_out, n_in, ld);
    g.x = dx.data;
    g.norm = with_norm ? dnorm.data : nullptr;
    g.eps = 1e-5f;
    g.y = dy.data;
    g.then = then;
    gemv_launch(&card_queue, name, &g);
    vector<double> v(x.begin(), x.end()), sums((size_t)n_out);
    if (with_norm) {
        double squares = 0;
        for (double e : v) squares += e * e;
        for (size_t i = 0; i < v.size(); i++) v[i] *= norm[i] / sqrt(squares / n_in + 1e-5f);
    }
    for (int o = 0; o < n_out; o++)
        for (int i = 0; i < n_in; i++)
            sums[(size_t)o] += widen(w[(size_t)(o * ld + i)]) * v[(size_t)i];
    compare(name, dy.read(), after_product(then, sums, y), EXACT);
}

void test_gemv_warps()
{
    int bad = 0;
    for (int n = 1; n < 40000; n += 37) {
        int warps = gemv_warps(n, 132);
        bad += warps < 8 || warps > 16;
    }
    verdict(bad == 0 && gemv_warps(9216, 132) == 12, "warps of a block for 9216 rows", bad, 0);
}

} // namespace

void test_gemv_bf16()
{
    test_gemv_warps();
    test_gemv(70, 60, GEMV_STORE, true);
    test_gemv(33, 331, GEMV_ADD, false);
    test_gemv(26, 1100, GEMV_SILU_MUL, true);
    test_gemv(500, 3072, GEMV_STORE, false);
}

} // namespace kernel_tests
