/* SPDX-License-Identifier: MIT */
/* Weights of 8 and 4 bits: their products with one vector and with several, and the way back to
 * bf16. */
#include <cstdio>
#include <cstring>

#include "kernel_checks.h"
#include "packed.h"

namespace kernel_tests
{
namespace
{

/* Packed matrices: made here by the definition in kernels/packed.h, and multiplied by it. */

uint16_t half_of(float x) // of a positive normal number that a half holds exactly
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)(((bits >> 23) - 112) << 10 | (bits >> 13 & 1023));
}

struct packed_matrix {
    int n_out, n_in, n_blocks;
    enum packing packing;
    vector<char> bytes;
    vector<int> weights;   // [strips * 16][n_blocks * 32], zero outside the matrix
    vector<double> scales; // [strips * 16][n_blocks]

    packed_matrix(enum packing p, int n_out_, int n_in_)
        : n_out(n_out_), n_in(n_in_), n_blocks((n_in_ + 31) / 32), packing(p)
    {
        int rows = (n_out + 15) / 16 * 16, most = p == PACKED_Q8 ? 127 : 7;
        int64_t block = p == PACKED_Q8 ? 512 : 256,
                strip = (n_blocks * (block + 32) + 63) / 64 * 64;
        bytes.assign((size_t)(strip * rows / 16), 0x55);
        for (int o = 0; o < rows; o++)
            for (int b = 0; b < n_blocks; b++) {
                int quarter = (int)(random_value() * 3.9f); // a scale of few bits: exact as a half
                double scale = (4 + quarter) * 0x1p-9;
                scales.push_back(scale);
                uint16_t half = half_of((float)(scale * 64));
                char *data = &bytes[(size_t)(o / 16 * strip)];
                memcpy(data + n_blocks * block + (b * 16 + o % 16) * 2, &half, 2);
                for (int i = 0; i < 32; i++) {
                    bool inside = o < n_out && b * 32 + i < n_in;
                    int w = inside ? (int)lrintf(random_value() * (float)most) : 0, g = i / 4;
                    weights.push_back(w);
                    char *to = data + b * block;
                    if (p == PACKED_Q8)
                        to[(g * 16 + o % 16) * 4 + i % 4] = (char)(w + 128);
                    else {
                        char *pair = &to[(g / 2 * 16 + o % 16) * 4 + i % 4];
                        *pair =
                            (char)(g % 2 ? (*pair & 15) | (w + 8) << 4 : (*pair & 0xf0) | (w + 8));
                    }
                }
            }
    }
    double weight(int o, int i) const
    {
        return weights[(size_t)(o * n_blocks * 32 + i)] * scales[(size_t)(o * n_blocks + i / 32)];
    }
    struct dev_mat on(const on_gpu<char> &gpu) const
    {
        struct dev_mat m = bf16_matrix(nullptr, n_out, n_in, pad_row(n_in));
        m.packing = packing;
        m.strips = gpu.data;
        return m;
    }
};

/* A vector as the product takes it: 8 bits and one power of two for 32 values. */
vector<double> rounded_vector(const vector<double> &x)
{
    vector<double> y(x.size());
    for (size_t first = 0; first < x.size(); first += 32) {
        double largest = 0;
        size_t end = std::min(first + 32, x.size());
        for (size_t i = first; i < end; i++) largest = std::max(largest, std::fabs(x[i]));
        int e = -90;
        while (largest > 127 * ldexp(1, e)) e++;
        for (size_t i = first; i < end; i++) y[i] = ldexp(nearbyint(ldexp(x[i], -e)), e);
    }
    return y;
}

void test_gemv_packed(enum packing p, int n_out, int n_in, enum gemv_then then, bool with_norm,
                      int n = 1)
{
    char name[100];
    snprintf(name, sizeof name, "gemv q%d %dx%d then %d%s, %d at once", p == PACKED_Q8 ? 8 : 4,
             n_out, n_in, then, with_norm ? " norm" : "", n);
    packed_matrix w(p, n_out, n_in);
    int n_y = then == GEMV_SILU_MUL ? n_out / 2 : n_out;
    /* Multiples of a small step, so that no value lies at a tie that f32 and doubles see apart. */
    vector<float> x((size_t)(n * n_in)), norm((size_t)n_in), y = random_floats((size_t)(n * n_y));
    for (float &v : x) v = (float)lrintf(random_value() * 1000) * 0x1p-9f;
    for (float &v : norm) v = random_value() < 0 ? 0.5f : 1;
    on_gpu<char> dw(w.bytes);
    on_gpu<float> dnorm(norm);
    struct gemv g = {};
    g.w = w.on(dw);
    g.n = n;
    g.norm = with_norm ? dnorm.data : nullptr;
    g.eps = 1e-5f;
    g.then = then;
    vector<double> want;
    for (int v = 0; v < n; v++) {
        vector<double> from(&x[(size_t)(v * n_in)], &x[(size_t)(v * n_in)] + n_in);
        vector<double> sums((size_t)n_out);
        double squares = 0, scale = 1;
        for (double e : from) squares += e * e;
        if (with_norm) {
            scale = 1 / sqrt(squares / n_in + 1e-5f);
            for (size_t i = 0; i < from.size(); i++) from[i] *= norm[i];
        }
        from = rounded_vector(from);
        for (int o = 0; o < n_out; o++)
            for (int i = 0; i < n_in; i++)
                sums[(size_t)o] += w.weight(o, i) * from[(size_t)i] * scale;
        vector<float> before(&y[(size_t)(v * n_y)], &y[(size_t)(v * n_y)] + n_y);
        for (double e : after_product(then, sums, before)) want.push_back(e);
    }
    check_product(name, g, x, y, want);
}

void test_gemv_packed_nan()
{
    packed_matrix w(PACKED_Q8, 20, 70);
    vector<float> x = random_floats(70);
    x[50] = NAN;
    on_gpu<char> dw(w.bytes);
    on_gpu<float> dx(x), dy(vector<float>(20, 0.0f));
    struct gemv g = {};
    g.w = w.on(dw);
    g.n = 1, g.x = dx.data, g.y = dy.data, g.then = GEMV_STORE;
    gemv_launch(&gpu_queue, "nan", &g);
    vector<float> y = dy.read();
    int n_nan = 0;
    for (float v : y) n_nan += std::isnan(v);
    verdict(n_nan == 20, "gemv q8 of what is no number is none", n_nan, 20);
}

void test_unpack(enum packing p, int n_out, int n_in, int first)
{
    char name[100];
    snprintf(name, sizeof name, "unpack q%d %dx%d from %d", p == PACKED_Q8 ? 8 : 4, n_out, n_in,
             first);
    packed_matrix w(p, n_out, n_in);
    int n = n_out - first;
    int64_t ld = pad_row(n_in);
    on_gpu<char> dw(w.bytes);
    on_gpu<struct bf16> dy(vector<struct bf16>((size_t)(n * ld), {0}));
    struct dev_mat m = w.on(dw);
    unpack_launch(&gpu_queue, dy.data, &m, first, n);
    vector<double> want((size_t)(n * ld));
    for (int o = 0; o < n; o++)
        for (int i = 0; i < n_in; i++) want[(size_t)(o * ld + i)] = w.weight(first + o, i);
    compare(name, dy.read(), want, ROUNDED);
}

} // namespace

void test_packed()
{
    for (enum packing p : {PACKED_Q8, PACKED_Q4}) {
        test_gemv_packed(p, 70, 60, GEMV_STORE, true);
        test_gemv_packed(p, 33, 331, GEMV_ADD, false);
        test_gemv_packed(p, 32, 1100, GEMV_SILU_MUL, true);
        test_gemv_packed(p, 26, 96, GEMV_SILU_MUL, true);
        test_gemv_packed(p, 200, 3072, GEMV_STORE, false);
        test_gemv_packed(p, 70, 60, GEMV_STORE, true, 2);
        test_gemv_packed(p, 33, 331, GEMV_ADD, false, 3);
        test_gemv_packed(p, 96, 1100, GEMV_SILU_MUL, true, 8);
        test_gemv_packed(p, 26, 96, GEMV_SILU_MUL, true, 5);
        test_gemv_packed(p, 20, 9000, GEMV_ADD, true, 8);  // more than shared memory holds
        test_gemv_packed(p, 17, 8192, GEMV_ADD, false, 5); // 48 KiB with what is declared
        test_unpack(p, 70, 60, 0);
        test_unpack(p, 70, 331, 32);
    }
    test_gemv_packed_nan();
}

} // namespace kernel_tests
