/* SPDX-License-Identifier: MIT */
/* Products of bf16 matrices with one vector, and with several. */
#include <cstdio>

#include "kernel_checks.h"

namespace kernel_tests
{
namespace
{

void test_gemv(int n_out, int n_in, enum gemv_then then, bool with_norm, int n = 1)
{
    char name[100];
    snprintf(name, sizeof name, "gemv %dx%d then %d%s, %d at once", n_out, n_in, then,
             with_norm ? " norm" : "", n);
    int64_t ld = pad_row(n_in);
    int n_y = then == GEMV_SILU_MUL ? n_out / 2 : n_out;
    vector<struct bf16> w = random_rows(n_out, n_in, ld, 0.2f);
    vector<float> x = random_floats((size_t)(n * n_in)), norm = random_floats((size_t)n_in, 2),
                  y = random_floats((size_t)(n * n_y));
    on_gpu<struct bf16> dw(w);
    on_gpu<float> dnorm(norm);
    struct gemv g = {};
    g.w = bf16_matrix(dw.data, n_out, n_in, ld);
    g.n = n;
    g.norm = with_norm ? dnorm.data : nullptr;
    g.eps = 1e-5f;
    g.then = then;
    vector<double> want;
    for (int v = 0; v < n; v++) {
        vector<double> from(&x[(size_t)(v * n_in)], &x[(size_t)(v * n_in)] + n_in);
        vector<double> sums((size_t)n_out);
        double squares = 0;
        for (double e : from) squares += e * e;
        for (size_t i = 0; i < from.size() && with_norm; i++)
            from[i] *= norm[i] / sqrt(squares / n_in + 1e-5f);
        for (int o = 0; o < n_out; o++)
            for (int i = 0; i < n_in; i++)
                sums[(size_t)o] += widen(w[(size_t)(o * ld + i)]) * from[(size_t)i];
        vector<float> before(&y[(size_t)(v * n_y)], &y[(size_t)(v * n_y)] + n_y);
        for (double e : after_product(then, sums, before)) want.push_back(e);
    }
    check_product(name, g, x, y, want);
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
    test_gemv(70, 60, GEMV_STORE, true, 2);
    test_gemv(133, 332, GEMV_ADD, false, 3);
    test_gemv(26, 1100, GEMV_SILU_MUL, true, 8);
    test_gemv(1, 64, GEMV_STORE, false, 5);
    test_gemv(101, 3300, GEMV_ADD, false, 8);     // in two panels, several rounds
    test_gemv(40, 3300, GEMV_STORE, true, 7);     // a norm wants whole vectors: in two launches
    test_gemv(60, 6200, GEMV_SILU_MUL, false, 4); // two panels of a pair of rows
    test_gemv(34, 300, GEMV_SILU_MUL, true, 11);  // more than one launch takes
    test_gemv(9, 3072, GEMV_STORE, true, 4);      // 48 KiB, and what the kernel declares
}

} // namespace kernel_tests
