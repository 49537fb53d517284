/* SPDX-License-Identifier: MIT
 * What the tests of the kernels share: reproducible data, arrays on the GPU, the comparison with
 * values in double precision, and the forms that several kernels have in common. */
#ifndef CUDA_KERNEL_CHECKS_H
#define CUDA_KERNEL_CHECKS_H

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "gemv.h"
#include "queue.h"

namespace kernel_tests
{

using std::vector;

/* Every launch goes here. */
extern struct queue gpu_queue;

/* -- Verdicts ---------------------------------------------------------------------------------- */

/* One line of TAP. */
void verdict(bool ok, const char *name, double error, double allowed);
/* Prints the plan; true when every verdict was good. */
bool verdicts_end();

/* -- Data -------------------------------------------------------------------------------------- */

float random_value(); // about -1 … 1, the same sequence in every run
vector<float> random_floats(size_t n, float scale = 1);

float widen(struct bf16 x);
struct bf16 to_bf16(float x);

constexpr struct bf16 NOT_A_NUMBER = {0x7fff};

/* Rows of n values, ld apart; the columns behind n hold zeros. */
vector<struct bf16> random_rows(int64_t n_rows, int64_t n, int64_t ld, float scale = 1);

/* Ends the program when a call of the runtime failed. */
void need(cudaError_t rc);

/* An array on the GPU, gone at the end of the scope. */
template <typename T> struct on_gpu {
    T *data = nullptr;
    size_t n;
    explicit on_gpu(const vector<T> &x) : n(x.size())
    {
        need(cudaMalloc((void **)&data, n * sizeof(T)));
        need(cudaMemcpy(data, x.data(), n * sizeof(T), cudaMemcpyDefault));
        need(cudaDeviceSynchronize()); /* it may go on, and the queue does not wait for it */
    }
    on_gpu(const on_gpu &) = delete;
    ~on_gpu() { cudaFree(data); }
    vector<T> read() const
    {
        vector<T> x(n);
        queue_wait(&gpu_queue);
        need(gpu_queue.status);
        need(cudaMemcpy(x.data(), data, n * sizeof(T), cudaMemcpyDefault));
        return x;
    }
};

template <typename T> double value_of(T x) { return x; }
template <> inline double value_of(struct bf16 x) { return widen(x); }

/* Largest distance, relative to the larger of 1 and the largest wanted value. */
template <typename T>
void compare(const char *name, const vector<T> &got, const vector<double> &want, double allowed)
{
    double largest = 1, error = 0;
    for (double w : want) largest = std::max(largest, std::fabs(w));
    for (size_t i = 0; i < want.size(); i++) {
        double d = std::fabs(value_of(got[i]) - want[i]);
        error = d <= error ? error : std::isnan(d) ? INFINITY : d;
    }
    verdict(error <= allowed * largest, name, error / largest, allowed);
}

/* The same bits: what a row gets beside others and by itself. */
template <typename T>
void compare_bits(const char *name, const vector<T> &got, const vector<T> &want)
{
    long n_off = got.size() != want.size();
    for (size_t i = 0; i < got.size() && i < want.size(); i++)
        n_off += memcmp(&got[i], &want[i], sizeof(T)) != 0;
    verdict(n_off == 0, name, (double)n_off, 0);
}

constexpr double EXACT = 2e-6, ROUNDED = 4.5e-3 /* bf16: half of 2^-7, and a little */;

/* -- Forms ------------------------------------------------------------------------------------- */

double silu(double x);
/* x turned by the angles; in doubles. */
vector<double> turned(const float *x, const vector<float> &cos, const vector<float> &sin,
                      int head_dim);
/* What a product leaves in y, from the sums of its rows. */
vector<double> after_product(enum gemv_then then, const vector<double> &sums,
                             const vector<float> &y);
/* g.n vectors at once, from x and with y before: against `want`, of vectors one behind the other,
 * and bit for bit against one by one. g: all but x, y and wide. */
void check_product(const char *name, struct gemv g, const vector<float> &x, const vector<float> &y,
                   const vector<double> &want);
struct dev_mat bf16_matrix(const struct bf16 *data, int n_out, int n_in, int64_t ld);

/* -- The tests, one for each file -------------------------------------------------------------- */

void test_gemv_bf16(); // gemv_test.cpp
void test_packed();    // packed_test.cpp
void test_attention(); // attend_test.cpp
void test_rows();      // rows_test.cpp
void test_pictures();  // pictures_test.cpp
void test_choosing();  // sample_test.cpp

} // namespace kernel_tests
#endif
