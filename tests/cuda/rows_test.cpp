/* SPDX-License-Identifier: MIT */
/* What happens to rows between the products, and where a decode step begins. */
#include <cstdio>

#include "kv_blocks.h"
#include "rows.h"
#include "sample.h"

namespace kernel_tests
{
namespace
{

void test_norms(int n_rows, int n)
{
    char name[100];
    int64_t ld = pad_row(n);
    vector<float> x = random_floats((size_t)(n_rows * n), 3), w = random_floats((size_t)n),
                  b = random_floats((size_t)n);
    vector<int> rows = {n_rows - 1, 0};
    on_gpu<float> dx(x), dw(w), db(b);
    on_gpu<int> drows(rows);
    on_gpu<struct bf16> y(vector<struct bf16>((size_t)(2 * ld), {0}));
    struct norm a = {};
    a.x = dx.data, a.w = dw.data, a.n = n, a.eps = 1e-5f;
    a.y = y.data, a.ld = ld, a.rows = drows.data, a.n_rows = 2;
    rms_norm_launch(&gpu_queue, &a);
    vector<double> want((size_t)(2 * ld)), want32((size_t)(n_rows * n));
    for (size_t r = 0; r < 2; r++) {
        const float *row = &x[(size_t)(rows[r] * n)];
        double squares = 0;
        for (int i = 0; i < n; i++) squares += (double)row[i] * row[i];
        for (int i = 0; i < n; i++)
            want[r * (size_t)ld + (size_t)i] = row[i] / sqrt(squares / n + 1e-5f) * w[(size_t)i];
    }
    snprintf(name, sizeof name, "rms_norm of %d, rows chosen", n);
    compare(name, y.read(), want, ROUNDED);

    a.y = nullptr, a.y32 = dx.data, a.rows = nullptr, a.n_rows = n_rows, a.b = db.data;
    layer_norm_launch(&gpu_queue, &a);
    for (int r = 0; r < n_rows; r++) {
        const float *row = &x[(size_t)(r * n)];
        double mean = 0, squares = 0;
        for (int i = 0; i < n; i++) mean += row[i] / (double)n;
        for (int i = 0; i < n; i++) squares += (row[i] - mean) * (row[i] - mean);
        for (int i = 0; i < n; i++)
            want32[(size_t)(r * n + i)] =
                (row[i] - mean) / sqrt(squares / n + 1e-5f) * w[(size_t)i] + b[(size_t)i];
    }
    snprintf(name, sizeof name, "layer_norm of %d, in place", n);
    compare(name, dx.read(), want32, EXACT);
}

void test_activations(int n_rows, int n)
{
    char name[100];
    int64_t ld2 = pad_row(2 * n), ld = pad_row(n);
    vector<struct bf16> x = random_rows(n_rows, 2 * n, ld2, 6), z = random_rows(n_rows, n, ld, 6);
    on_gpu<struct bf16> dx(x), quick(z), erf_form(z),
        y(vector<struct bf16>((size_t)(n_rows * ld), {0}));
    silu_mul_launch(&gpu_queue, y.data, ld, dx.data, ld2, n_rows, n);
    quick_gelu_launch(&gpu_queue, quick.data, ld, n_rows, n);
    gelu_erf_launch(&gpu_queue, erf_form.data, ld, n_rows, n);
    vector<double> want((size_t)(n_rows * ld)), want_quick(want), want_erf(want);
    for (int r = 0; r < n_rows; r++)
        for (int i = 0; i < n; i++) {
            const struct bf16 *gate = &x[(size_t)(r * ld2 + i)];
            double v = widen(z[(size_t)(r * ld + i)]);
            size_t at = (size_t)(r * ld + i);
            want[at] = silu(widen(gate[0])) * widen(gate[n]);
            want_quick[at] = v / (1 + exp(-1.702 * v));
            want_erf[at] = v * 0.5 * (1 + erf(v / sqrt(2)));
        }
    snprintf(name, sizeof name, "silu_mul of %d", n);
    compare(name, y.read(), want, ROUNDED);
    snprintf(name, sizeof name, "quick_gelu of %d", n);
    compare(name, quick.read(), want_quick, ROUNDED);
    snprintf(name, sizeof name, "gelu_erf of %d", n);
    compare(name, erf_form.read(), want_erf, ROUNDED);
}

void test_split_heads(int n_rows, int n_heads, int n_kv, int head_dim, bool q8 = false)
{
    int d = pad_head(head_dim), n = (n_heads + 2 * n_kv) * head_dim, half = head_dim / 2;
    int64_t ld = pad_row(n);
    vector<struct bf16> x = random_rows(n_rows, n, ld);
    vector<float> cos = random_floats((size_t)(n_rows * half)),
                  sin = random_floats((size_t)(n_rows * half));
    cache c(n_rows, n_kv, head_dim, q8);
    cache_on_gpu dc(c);
    on_gpu<struct bf16> dx(x), q(vector<struct bf16>((size_t)(n_rows * n_heads * d), NOT_A_NUMBER));
    on_gpu<float> dcos(cos), dsin(sin);
    vector<struct bf16 *> slots;
    vector<struct bf16 *> table = dc.table->read();
    vector<int> pos;
    for (int r = 0; r < n_rows; r++) {
        slots.push_back(table[(size_t)(r / KEYS_PER_BLOCK)]);
        pos.push_back(r);
    }
    on_gpu<struct bf16 *> dslots(slots);
    on_gpu<int> dpos(pos);
    struct split_heads a = {};
    a.qkv = dx.data, a.ld = ld, a.cos = dcos.data, a.sin = dsin.data;
    a.q = q.data, a.slots = dslots.data;
    a.k_offset = c.k_offset, a.v_offset = c.v_offset, a.head_step = kv_plane(q8, d);
    a.pos = dpos.data, a.is_q8 = q8;
    a.n_rows = n_rows, a.n_heads = n_heads, a.n_kv_heads = n_kv, a.head_dim = head_dim;
    split_heads_launch(&gpu_queue, &a);
    vector<double> want((size_t)(n_rows * n_heads * d)), want_kv, got_kv;
    queue_wait(&gpu_queue);
    for (size_t b = 0; b < c.blocks.size(); b++) c.blocks[b] = dc.read((int)b);
    for (int r = 0; r < n_rows; r++) {
        vector<float> row((size_t)n), row_cos(cos.begin() + r * half, cos.begin() + (r + 1) * half),
            row_sin(sin.begin() + r * half, sin.begin() + (r + 1) * half);
        for (int i = 0; i < n; i++) row[(size_t)i] = widen(x[(size_t)(r * ld + i)]);
        for (int h = 0; h < n_heads; h++) {
            vector<double> t = turned(&row[(size_t)(h * head_dim)], row_cos, row_sin, head_dim);
            for (int i = 0; i < head_dim; i++)
                want[(size_t)((r * n_heads + h) * d + i)] = t[(size_t)i];
        }
        for (int h = 0; h < n_kv; h++) {
            vector<double> t =
                turned(&row[(size_t)((n_heads + h) * head_dim)], row_cos, row_sin, head_dim);
            const float *v = &row[(size_t)((n_heads + n_kv + h) * head_dim)];
            for (int i = 0; i < d; i++) {
                want_kv.push_back(i < head_dim ? t[(size_t)i] : 0);
                got_kv.push_back(c.value(c.k_offset, h, r, i));
                want_kv.push_back(i < head_dim ? v[i] : 0);
                got_kv.push_back(c.value(c.v_offset, h, r, i));
            }
        }
    }
    char name[100];
    snprintf(name, sizeof name, "split_heads%s %d/%d of %d: queries", q8 ? " q8" : "", n_heads,
             n_kv, head_dim);
    compare(name, q.read(), want, ROUNDED);
    compare("  keys and values in their blocks", got_kv, want_kv, ROUNDED);
}

void test_inputs(int hidden, int n_rows)
{
    const int n_vocab = 11, half = 5;
    int64_t ld = pad_row(hidden);
    vector<struct bf16> table = random_rows(n_vocab, hidden, ld);
    vector<float> feature = random_floats((size_t)hidden), inv_freq = random_floats((size_t)half);
    on_gpu<struct bf16> dtable(table);
    on_gpu<float> dfeature(feature), dfreq(inv_freq),
        x(vector<float>((size_t)(n_rows * hidden), NAN));
    on_gpu<float> cos(vector<float>((size_t)(n_rows * half), NAN)),
        sin(vector<float>((size_t)(n_rows * half), NAN));
    vector<struct row_source> rows((size_t)n_rows);
    for (int r = 0; r < n_rows; r++)
        rows[(size_t)r] = {r == 1 ? dfeature.data : nullptr, r % n_vocab, 1000 * r};
    on_gpu<struct row_source> drows(rows);
    struct dev_mat embed = bf16_matrix(dtable.data, n_vocab, hidden, ld);
    struct angles a = {cos.data, sin.data, dfreq.data, 1.25f, half};
    embed_launch(&gpu_queue, x.data, drows.data, &embed, n_rows);
    angles_launch(&gpu_queue, &a, drows.data, n_rows);
    vector<double> want, want_cos, want_sin;
    for (int r = 0; r < n_rows; r++) {
        for (int i = 0; i < hidden; i++)
            want.push_back(r == 1 ? feature[(size_t)i]
                                  : widen(table[(size_t)(r % n_vocab * ld + i)]));
        for (int m = 0; m < half; m++) {
            float angle = (float)(1000 * r) * inv_freq[(size_t)m];
            want_cos.push_back(std::cos((double)angle) * 1.25);
            want_sin.push_back(std::sin((double)angle) * 1.25);
        }
    }
    compare("embed", x.read(), want, 0);
    compare("angles: cos", cos.read(), want_cos, EXACT);
    compare("angles: sin", sin.read(), want_sin, EXACT);

    on_gpu<struct step_row> steps({{7, 3000, 0}, {2, 2000, 1}});
    on_gpu<float> no_angles(vector<float>((size_t)half, 0.0f));
    on_gpu<int> pos({-1, -1});
    struct step_begin begin = {
        steps.data, 2,    embed,   x.data, cos.data, sin.data, {dfreq.data, no_angles.data},
        1.25f,      half, pos.data};
    step_begin_launch(&gpu_queue, &begin);
    want.clear();
    for (int id : {7, 2})
        for (int i = 0; i < hidden; i++) want.push_back(widen(table[(size_t)(id * ld + i)]));
    compare("step_begin: embeddings", x.read(), want, 0);
    want.assign(want_cos.begin() + 3 * half, want_cos.begin() + 4 * half);
    want.resize((size_t)(2 * half), 1.25); // the other factors turn nothing here
    compare("step_begin: cos", cos.read(), want, EXACT);
    verdict(pos.read() == vector<int>({3000, 2000}), "step_begin: positions", 0, 0);
}

} // namespace

void test_rows()
{
    test_norms(3, 60);
    test_norms(2, 3072);
    test_activations(3, 33);
    test_activations(2, 704);
    test_split_heads(70, 3, 1, 10);
    test_split_heads(5, 2, 2, 96);
    test_split_heads(70, 3, 1, 10, true);
    test_split_heads(5, 2, 2, 96, true);
    test_inputs(300, 4);
}

} // namespace kernel_tests
