/* SPDX-License-Identifier: MIT */
/* Every kernel of kernels/cuda against double precision, on sizes with tails and grouped heads. The
 * same program runs on the emulated card, with several orders of threads (arguments: seeds), and on
 * a real one. */
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <vector>

#include "attend.h"
#include "gemv.h"
#include "packed.h"
#include "rows.h"
#include "sample.h"

#ifdef EMULATED
#include "emulate_runtime.h"
#endif

using std::vector;

namespace
{

int n_tests, n_failed;
struct queue card_queue;

void verdict(bool ok, const char *name, double error, double allowed)
{
    n_tests++;
    n_failed += !ok;
    printf("%sok %d - %s: error %.2g of %.2g allowed\n", ok ? "" : "not ", n_tests, name, error,
           allowed);
}

/* -- Data -------------------------------------------------------------------------------------- */

uint32_t random_state = 1;

float random_value() // about -1 … 1
{
    random_state = random_state * 1664525u + 1013904223u;
    return (float)(int32_t)random_state * 0x1p-31f;
}

vector<float> random_floats(size_t n, float scale = 1)
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

const struct bf16 NOT_A_NUMBER = {0x7fff};

/* Rows of n values, ld apart; the columns behind n hold zeros. */
vector<struct bf16> random_rows(int64_t n_rows, int64_t n, int64_t ld, float scale = 1)
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

/* An array on the card, gone at the end of the scope. */
template <typename T> struct on_card {
    T *data = nullptr;
    size_t n;
    explicit on_card(const vector<T> &x) : n(x.size())
    {
        need(cudaMalloc((void **)&data, n * sizeof(T)));
        need(cudaMemcpy(data, x.data(), n * sizeof(T), cudaMemcpyDefault));
    }
    on_card(const on_card &) = delete;
    ~on_card() { cudaFree(data); }
    vector<T> read() const
    {
        vector<T> x(n);
        queue_wait(&card_queue);
        need(card_queue.status);
        need(cudaMemcpy(x.data(), data, n * sizeof(T), cudaMemcpyDefault));
        return x;
    }
};

template <typename T> double value_of(T x) { return x; }
template <> double value_of(struct bf16 x) { return widen(x); }

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

const double EXACT = 2e-6, ROUNDED = 4.5e-3 /* bf16: half of 2^-7, and a little */;

double silu(double x) { return x / (1 + exp(-x)); }

/* -- Products ---------------------------------------------------------------------------------- */

struct dev_mat bf16_matrix(const struct bf16 *data, int n_out, int n_in, int64_t ld)
{
    struct dev_mat m = {};
    m.data = data, m.n_out = n_out, m.n_in = n_in, m.ld = ld;
    return m;
}

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
    vector<double> v(x.begin(), x.end()), sums((size_t)n_out), want((size_t)n_y);
    if (with_norm) {
        double squares = 0;
        for (double e : v) squares += e * e;
        for (size_t i = 0; i < v.size(); i++) v[i] *= norm[i] / sqrt(squares / n_in + 1e-5f);
    }
    for (int o = 0; o < n_out; o++)
        for (int i = 0; i < n_in; i++)
            sums[(size_t)o] += widen(w[(size_t)(o * ld + i)]) * v[(size_t)i];
    for (size_t o = 0; o < want.size(); o++) {
        if (then == GEMV_STORE) want[o] = sums[o];
        if (then == GEMV_ADD) want[o] = y[o] + sums[o];
        if (then == GEMV_SILU_MUL) want[o] = silu(sums[o]) * sums[o + want.size()];
    }
    compare(name, dy.read(), want, EXACT);
}

/* -- Packed matrices: made here by the definition in kernels/packed.h, and multiplied by it. --- */

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
    struct dev_mat on(const on_card<char> &card) const
    {
        struct dev_mat m = bf16_matrix(nullptr, n_out, n_in, pad_row(n_in));
        m.packing = packing;
        m.strips = card.data;
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

void test_gemv_packed(enum packing p, int n_out, int n_in, enum gemv_then then, bool with_norm)
{
    char name[100];
    snprintf(name, sizeof name, "gemv q%d %dx%d then %d%s", p == PACKED_Q8 ? 8 : 4, n_out, n_in,
             then, with_norm ? " norm" : "");
    packed_matrix w(p, n_out, n_in);
    int n_y = then == GEMV_SILU_MUL ? n_out / 2 : n_out;
    /* Multiples of a small step, so that no value lies at a tie that f32 and doubles see apart. */
    vector<float> x((size_t)n_in), norm((size_t)n_in), y = random_floats((size_t)n_y);
    for (float &v : x) v = (float)lrintf(random_value() * 1000) * 0x1p-9f;
    for (float &v : norm) v = random_value() < 0 ? 0.5f : 1;
    on_card<char> dw(w.bytes);
    on_card<float> dx(x), dnorm(norm), dy(y), wide(vector<float>((size_t)n_out, NAN));
    struct gemv g = {};
    g.w = w.on(dw);
    g.x = dx.data;
    g.norm = with_norm ? dnorm.data : nullptr;
    g.eps = 1e-5f;
    g.y = dy.data;
    g.then = then;
    g.wide = wide.data;
    gemv_launch(&card_queue, name, &g);
    vector<double> v(x.begin(), x.end()), sums((size_t)n_out), want((size_t)n_y);
    double squares = 0, scale = 1;
    for (double e : v) squares += e * e;
    if (with_norm) {
        scale = 1 / sqrt(squares / n_in + 1e-5f);
        for (size_t i = 0; i < v.size(); i++) v[i] *= norm[i];
    }
    v = rounded_vector(v);
    for (int o = 0; o < n_out; o++)
        for (int i = 0; i < n_in; i++) sums[(size_t)o] += w.weight(o, i) * v[(size_t)i] * scale;
    for (size_t o = 0; o < want.size(); o++) {
        if (then == GEMV_STORE) want[o] = sums[o];
        if (then == GEMV_ADD) want[o] = y[o] + sums[o];
        if (then == GEMV_SILU_MUL) want[o] = silu(sums[o]) * sums[o + want.size()];
    }
    compare(name, dy.read(), want, EXACT);
}

void test_gemv_packed_nan()
{
    packed_matrix w(PACKED_Q8, 20, 70);
    vector<float> x = random_floats(70);
    x[50] = NAN;
    on_card<char> dw(w.bytes);
    on_card<float> dx(x), dy(vector<float>(20, 0.0f));
    struct gemv g = {};
    g.w = w.on(dw);
    g.x = dx.data, g.y = dy.data, g.then = GEMV_STORE;
    gemv_launch(&card_queue, "nan", &g);
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
    on_card<char> dw(w.bytes);
    on_card<struct bf16> dy(vector<struct bf16>((size_t)(n * ld), {0}));
    struct dev_mat m = w.on(dw);
    unpack_launch(&card_queue, dy.data, &m, first, n);
    vector<double> want((size_t)(n * ld));
    for (int o = 0; o < n; o++)
        for (int i = 0; i < n_in; i++) want[(size_t)(o * ld + i)] = w.weight(first + o, i);
    compare(name, dy.read(), want, ROUNDED);
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

/* -- Attention --------------------------------------------------------------------------------- */

/* Keys and values of one layer in blocks that lie in a wild order, with what stands behind the
 * sequence not a number. */
struct cache {
    int n_keys, n_kv, head_dim, d;
    bool q8;
    int64_t block_elements, k_offset, v_offset;
    vector<vector<struct bf16>> blocks;

    cache(int n_keys_, int n_kv_, int head_dim_, bool q8_ = false)
        : n_keys(n_keys_), n_kv(n_kv_), head_dim(head_dim_), d(pad_head(head_dim_)), q8(q8_)
    {
        int64_t heads = n_kv * kv_plane(q8, d);
        k_offset = 2 * heads; // layer 1 of 2
        v_offset = 3 * heads;
        block_elements = 4 * heads;
        for (int b = 0; b * KEYS_PER_BLOCK < n_keys + 1; b++)
            blocks.push_back(vector<struct bf16>((size_t)block_elements, NOT_A_NUMBER));
        for (int key = 0; key < n_keys; key++)
            for (int h = 0; h < n_kv; h++) {
                vector<double> k((size_t)d), v((size_t)d);
                for (int i = 0; i < head_dim; i++)
                    k[(size_t)i] = random_value() * 2, v[(size_t)i] = random_value();
                put(k_offset, h, key, k);
                put(v_offset, h, key, v);
            }
    }
    struct bf16 *plane(int64_t offset, int head, int key)
    {
        return &blocks[(size_t)(key / KEYS_PER_BLOCK)][(size_t)(offset + head * kv_plane(q8, d))];
    }
    struct bf16 *at(int64_t offset, int head, int key) // bf16
    {
        return plane(offset, head, key) + key % KEYS_PER_BLOCK * d;
    }
    signed char *at8(int64_t offset, int head, int key)
    {
        return (signed char *)plane(offset, head, key) + key % KEYS_PER_BLOCK * d;
    }
    struct bf16 *scales(int64_t offset, int head, int key)
    {
        return plane(offset, head, key) + KEYS_PER_BLOCK * d / 2 + key % KEYS_PER_BLOCK * (d / 32);
    }
    double value(int64_t offset, int head, int key, int i)
    {
        if (!q8) return widen(at(offset, head, key)[i]);
        return (double)at8(offset, head, key)[i] * widen(scales(offset, head, key)[i / 32]);
    }
    void put(int64_t offset, int head, int key, const vector<double> &x)
    {
        for (int g = 0; g < d / 32 && q8; g++) { // the smallest bf16 that cuts nothing off
            double largest = 0;
            for (int i = 32 * g; i < 32 * g + 32; i++)
                largest = std::max(largest, std::fabs(x[(size_t)i]));
            struct bf16 scale = to_bf16((float)(largest / 127));
            if (widen(scale) < (float)(largest / 127)) scale.bits++;
            scales(offset, head, key)[g] = scale;
            for (int i = 32 * g; i < 32 * g + 32; i++)
                at8(offset, head, key)[i] =
                    (signed char)(largest > 0 ? nearbyint(x[(size_t)i] / widen(scale)) : 0);
        }
        for (int i = 0; i < d && !q8; i++) at(offset, head, key)[i] = to_bf16((float)x[(size_t)i]);
    }
};

/* On the card: blocks in reverse order, and the table of their addresses. */
struct cache_on_card {
    vector<on_card<struct bf16> *> blocks;
    on_card<struct bf16 *> *table;
    explicit cache_on_card(const cache &c)
    {
        vector<struct bf16 *> at(c.blocks.size());
        for (size_t i = at.size(); i-- > 0;) {
            blocks.push_back(new on_card<struct bf16>(c.blocks[i]));
            at[i] = blocks.back()->data;
        }
        table = new on_card<struct bf16 *>(at);
    }
    ~cache_on_card()
    {
        for (on_card<struct bf16> *b : blocks) delete b;
        delete table;
    }
    vector<struct bf16> read(int block) const
    {
        return blocks[blocks.size() - 1 - (size_t)block]->read();
    }
};

/* Attention of one query row over keys 0 … n-1, added to want. */
void attend_row(const double *q, cache &c, int kv_head, int n, double *out)
{
    vector<double> scores((size_t)n);
    double max = -INFINITY, sum = 0;
    for (int key = 0; key < n; key++) {
        for (int i = 0; i < c.head_dim; i++)
            scores[(size_t)key] += q[i] * c.value(c.k_offset, kv_head, key, i);
        scores[(size_t)key] /= sqrt(c.head_dim);
        max = std::max(max, scores[(size_t)key]);
    }
    for (double &s : scores) sum += s = exp(s - max);
    for (int key = 0; key < n; key++)
        for (int i = 0; i < c.head_dim; i++)
            out[i] += scores[(size_t)key] / sum * c.value(c.v_offset, kv_head, key, i);
}

void test_attend_decode(int pos, int n_heads, int n_kv, int head_dim, int n_splits, bool q8 = false)
{
    char name[120];
    snprintf(name, sizeof name, "attend_decode%s pos %d heads %d/%d of %d, %d splits",
             q8 ? " q8" : "", pos, n_heads, n_kv, head_dim, n_splits);
    int d = pad_head(head_dim), n_rows = 2;
    cache c(pos + 1, n_kv, head_dim, q8), shorter(pos / 2 + 1, n_kv, head_dim, q8);
    cache *caches[2] = {&c, &shorter};
    cache_on_card dc(c), on_shorter(shorter);
    vector<struct bf16> q = random_rows((int64_t)n_rows * n_heads, head_dim, d);
    on_card<struct bf16> dq(q);
    on_card<struct bf16 *const *> tables({dc.table->data, on_shorter.table->data});
    on_card<int> dpos({pos, pos / 2}), arrived(vector<int>((size_t)(n_rows * n_heads), 0));
    on_card<float> parts(vector<float>(attend_parts_floats(n_rows, n_heads, head_dim), NAN));
    on_card<float> out(vector<float>((size_t)(n_rows * n_heads * head_dim), NAN));
    struct attend_decode a = {};
    a.q = dq.data;
    a.tables = tables.data;
    a.pos = dpos.data;
    a.k_offset = c.k_offset, a.v_offset = c.v_offset;
    a.n_rows = n_rows, a.n_heads = n_heads, a.n_kv_heads = n_kv, a.head_dim = head_dim;
    a.n_splits = n_splits, a.is_q8 = q8;
    a.parts = parts.data, a.arrived = arrived.data;
    a.out = out.data, a.out_stride = n_heads * head_dim;
    attend_decode_launch(&card_queue, &a);
    vector<double> want((size_t)(n_rows * n_heads * head_dim));
    for (int r = 0; r < n_rows; r++)
        for (int h = 0; h < n_heads; h++) {
            vector<double> row((size_t)head_dim);
            for (int i = 0; i < head_dim; i++)
                row[(size_t)i] = widen(q[(size_t)((r * n_heads + h) * d + i)]);
            attend_row(row.data(), *caches[r], h / (n_heads / n_kv), r ? pos / 2 + 1 : pos + 1,
                       &want[(size_t)((r * n_heads + h) * head_dim)]);
        }
    compare(name, out.read(), want, EXACT);
    vector<int> left = arrived.read();
    verdict(std::count(left.begin(), left.end(), 0) == (long)left.size(),
            "  its counters are zero again", 0, 0);
}

/* x turned by the angles; in doubles. */
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

void test_attend_step(int pos, int n_heads, int n_kv, int head_dim, int n_splits, bool q8 = false)
{
    char name[120];
    snprintf(name, sizeof name, "attend_decode%s step at %d heads %d/%d of %d, %d splits",
             q8 ? " q8" : "", pos, n_heads, n_kv, head_dim, n_splits);
    cache c(pos, n_kv, head_dim, q8);
    cache_on_card dc(c);
    vector<float> qkv = random_floats((size_t)((n_heads + 2 * n_kv) * head_dim));
    vector<float> cos = random_floats((size_t)head_dim / 2),
                  sin = random_floats((size_t)head_dim / 2);
    on_card<float> dqkv(qkv), dcos(cos), dsin(sin);
    on_card<struct bf16 *const *> tables({dc.table->data});
    on_card<int> dpos({pos}), arrived(vector<int>((size_t)n_heads, 0));
    on_card<float> parts(vector<float>(attend_parts_floats(1, n_heads, head_dim), NAN));
    on_card<struct bf16> out(vector<struct bf16>((size_t)(n_heads * head_dim), NOT_A_NUMBER));
    struct attend_decode a = {};
    a.qkv = dqkv.data, a.cos = dcos.data, a.sin = dsin.data;
    a.tables = tables.data;
    a.pos = dpos.data;
    a.k_offset = c.k_offset, a.v_offset = c.v_offset;
    a.n_rows = 1, a.n_heads = n_heads, a.n_kv_heads = n_kv, a.head_dim = head_dim;
    a.n_splits = n_splits, a.is_q8 = q8;
    a.parts = parts.data, a.arrived = arrived.data;
    a.out16 = out.data, a.out_stride = n_heads * head_dim;
    attend_decode_launch(&card_queue, &a);

    for (int h = 0; h < n_kv; h++) { // the new key and value, as the next step will read them
        const float *k = &qkv[(size_t)((n_heads + h) * head_dim)], *v = k + n_kv * head_dim;
        vector<double> key = turned(k, cos, sin, head_dim), value(v, v + head_dim);
        key.resize((size_t)c.d), value.resize((size_t)c.d);
        c.put(c.k_offset, h, pos, key);
        c.put(c.v_offset, h, pos, value);
    }
    vector<double> want((size_t)(n_heads * head_dim));
    for (int h = 0; h < n_heads; h++)
        attend_row(turned(&qkv[(size_t)(h * head_dim)], cos, sin, head_dim).data(), c,
                   h / (n_heads / n_kv), pos + 1, &want[(size_t)(h * head_dim)]);
    compare(name, out.read(), want, ROUNDED);
    vector<struct bf16> stored = dc.read(pos / KEYS_PER_BLOCK),
                        &expected = c.blocks[(size_t)(pos / KEYS_PER_BLOCK)];
    int n_off = 0; /* a sum rounded in f32 may fall on the other side of a tie */
    const uint8_t *bytes = (const uint8_t *)stored.data(),
                  *wanted = (const uint8_t *)expected.data();
    for (size_t i = 0; i < stored.size() && !q8; i++)
        n_off += abs(stored[i].bits - expected[i].bits) > 1;
    for (size_t i = 0; i < 2 * stored.size() && q8; i++)
        n_off += abs((int8_t)bytes[i] - (int8_t)wanted[i]) > 1;
    verdict(n_off == 0, "  its key and value are stored, and nothing else", n_off, 0);
}

void test_attend_prefill(int first_pos, int n_rows, int n_heads, int n_kv, int head_dim,
                         bool q8 = false)
{
    char name[120];
    snprintf(name, sizeof name, "attend_prefill%s %d rows from %d heads %d/%d of %d",
             q8 ? " q8" : "", n_rows, first_pos, n_heads, n_kv, head_dim);
    int d = pad_head(head_dim), n_keys = first_pos + n_rows;
    cache c(n_keys, n_kv, head_dim, q8);
    cache_on_card dc(c);
    vector<struct bf16> q = random_rows((int64_t)n_rows * n_heads, head_dim, d);
    on_card<struct bf16> dq(q),
        out(vector<struct bf16>((size_t)n_rows * n_heads * head_dim, NOT_A_NUMBER));
    struct attend_prefill a = {};
    a.q = dq.data, a.q_row = n_heads * d, a.q_head = d;
    a.table = dc.table->data, a.is_q8 = q8;
    a.k_offset = c.k_offset, a.v_offset = c.v_offset;
    a.out = out.data, a.out_row = n_heads * head_dim;
    a.n_batch = 1, a.n_rows = n_rows, a.n_heads = n_heads, a.n_kv_heads = n_kv,
    a.head_dim = head_dim;
    a.n_keys = n_keys, a.causal = true, a.first_pos = first_pos;
    attend_prefill_launch(&card_queue, &a);
    vector<double> want((size_t)n_rows * n_heads * head_dim);
    for (int r = 0; r < n_rows; r++)
        for (int h = 0; h < n_heads; h++) {
            vector<double> row((size_t)head_dim);
            for (int i = 0; i < head_dim; i++)
                row[(size_t)i] = widen(q[(size_t)((r * n_heads + h) * d + i)]);
            attend_row(row.data(), c, h / (n_heads / n_kv), first_pos + r + 1,
                       &want[(size_t)((r * n_heads + h) * head_dim)]);
        }
    compare(name, out.read(), want, 2 * ROUNDED);
}

/* As in the tower: q, k and v side by side in a row, several crops, every row sees all keys of its
 * crop. */
void test_attend_tower(int n_batch, int n_tokens, int n_heads, int d)
{
    char name[120];
    snprintf(name, sizeof name, "attend_prefill %d crops of %d tokens, %d heads of %d", n_batch,
             n_tokens, n_heads, d);
    int c = n_heads * d;
    int64_t ld = pad_row(3 * c);
    vector<struct bf16> qkv = random_rows((int64_t)n_batch * n_tokens, 3 * c, ld);
    on_card<struct bf16> dqkv(qkv),
        out(vector<struct bf16>((size_t)n_batch * n_tokens * c, NOT_A_NUMBER));
    struct attend_prefill a = {};
    a.q = dqkv.data, a.k = dqkv.data + c, a.v = dqkv.data + 2 * c;
    a.q_batch = a.kv_batch = n_tokens * ld, a.q_row = a.kv_row = ld, a.q_head = a.kv_head = d;
    a.out = out.data, a.out_batch = n_tokens * c, a.out_row = c;
    a.n_batch = n_batch, a.n_rows = n_tokens, a.n_heads = a.n_kv_heads = n_heads, a.head_dim = d;
    a.n_keys = n_tokens;
    attend_prefill_launch(&card_queue, &a);
    vector<double> want((size_t)n_batch * n_tokens * c);
    for (int b = 0; b < n_batch; b++) {
        cache keys(n_tokens, n_heads, d);
        for (int t = 0; t < n_tokens; t++)
            for (int h = 0; h < n_heads; h++)
                for (int i = 0; i < d; i++) {
                    const struct bf16 *row = &qkv[(size_t)((b * n_tokens + t) * ld + h * d + i)];
                    keys.at(keys.k_offset, h, t)[i] = row[c];
                    keys.at(keys.v_offset, h, t)[i] = row[2 * c];
                }
        for (int t = 0; t < n_tokens; t++)
            for (int h = 0; h < n_heads; h++) {
                vector<double> row((size_t)d);
                for (int i = 0; i < d; i++)
                    row[(size_t)i] = widen(qkv[(size_t)((b * n_tokens + t) * ld + h * d + i)]);
                attend_row(row.data(), keys, h, n_tokens,
                           &want[(size_t)((b * n_tokens + t) * c + h * d)]);
            }
    }
    compare(name, out.read(), want, 2 * ROUNDED);
}

/* -- Rows -------------------------------------------------------------------------------------- */

void test_norms(int n_rows, int n)
{
    char name[100];
    int64_t ld = pad_row(n);
    vector<float> x = random_floats((size_t)(n_rows * n), 3), w = random_floats((size_t)n),
                  b = random_floats((size_t)n);
    vector<int> rows = {n_rows - 1, 0};
    on_card<float> dx(x), dw(w), db(b);
    on_card<int> drows(rows);
    on_card<struct bf16> y(vector<struct bf16>((size_t)(2 * ld), {0}));
    struct norm a = {};
    a.x = dx.data, a.w = dw.data, a.n = n, a.eps = 1e-5f;
    a.y = y.data, a.ld = ld, a.rows = drows.data, a.n_rows = 2;
    rms_norm_launch(&card_queue, &a);
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
    layer_norm_launch(&card_queue, &a);
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
    on_card<struct bf16> dx(x), quick(z), erf_form(z),
        y(vector<struct bf16>((size_t)(n_rows * ld), {0}));
    silu_mul_launch(&card_queue, y.data, ld, dx.data, ld2, n_rows, n);
    quick_gelu_launch(&card_queue, quick.data, ld, n_rows, n);
    gelu_erf_launch(&card_queue, erf_form.data, ld, n_rows, n);
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
    cache_on_card dc(c);
    on_card<struct bf16> dx(x),
        q(vector<struct bf16>((size_t)(n_rows * n_heads * d), NOT_A_NUMBER));
    on_card<float> dcos(cos), dsin(sin);
    vector<struct bf16 *> slots;
    vector<struct bf16 *> table = dc.table->read();
    vector<int> pos;
    for (int r = 0; r < n_rows; r++) {
        slots.push_back(table[(size_t)(r / KEYS_PER_BLOCK)]);
        pos.push_back(r);
    }
    on_card<struct bf16 *> dslots(slots);
    on_card<int> dpos(pos);
    struct split_heads a = {};
    a.qkv = dx.data, a.ld = ld, a.cos = dcos.data, a.sin = dsin.data;
    a.q = q.data, a.slots = dslots.data;
    a.k_offset = c.k_offset, a.v_offset = c.v_offset, a.head_step = kv_plane(q8, d);
    a.pos = dpos.data, a.is_q8 = q8;
    a.n_rows = n_rows, a.n_heads = n_heads, a.n_kv_heads = n_kv, a.head_dim = head_dim;
    split_heads_launch(&card_queue, &a);
    vector<double> want((size_t)(n_rows * n_heads * d)), want_kv, got_kv;
    queue_wait(&card_queue);
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
    on_card<struct bf16> dtable(table);
    on_card<float> dfeature(feature), dfreq(inv_freq),
        x(vector<float>((size_t)(n_rows * hidden), NAN));
    on_card<float> cos(vector<float>((size_t)(n_rows * half), NAN)),
        sin(vector<float>((size_t)(n_rows * half), NAN));
    vector<struct row_source> rows((size_t)n_rows);
    for (int r = 0; r < n_rows; r++)
        rows[(size_t)r] = {r == 1 ? dfeature.data : nullptr, r % n_vocab, 1000 * r};
    on_card<struct row_source> drows(rows);
    struct dev_mat embed = bf16_matrix(dtable.data, n_vocab, hidden, ld);
    struct angles a = {cos.data, sin.data, dfreq.data, 1.25f, half};
    embed_launch(&card_queue, x.data, drows.data, &embed, n_rows);
    angles_launch(&card_queue, &a, drows.data, n_rows);
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

    on_card<struct row_source> next({{nullptr, 7, 3000}});
    on_card<int> pos({-1});
    step_begin_launch(&card_queue, x.data, &a, next.data, &embed, pos.data);
    want.clear();
    for (int i = 0; i < hidden; i++) want.push_back(widen(table[(size_t)(7 * ld + i)]));
    compare("step_begin: embedding", x.read(), want, 0);
    compare("step_begin: cos", cos.read(),
            vector<double>(want_cos.begin() + 3 * half, want_cos.begin() + 4 * half), EXACT);
    verdict(pos.read()[0] == 3000, "step_begin: position", 0, 0);
}

/* -- Pictures ---------------------------------------------------------------------------------- */

void test_pictures()
{
    const int n = 2, side = 20, patch = 5, per_side = 4, n_patches = 16, c = 6,
              columns = 3 * patch * patch, grid = 2;
    int64_t ld = pad_row(columns), merged_ld = pad_row(4 * c);
    vector<float> crops = random_floats((size_t)n * 3 * side * side),
                  embedded = random_floats((size_t)n * n_patches * c);
    vector<float> cls = random_floats((size_t)c),
                  places = random_floats((size_t)(1 + n_patches) * c);
    vector<float> sub = random_floats((size_t)4 * c), glb = random_floats((size_t)4 * c);
    on_card<float> dcrops(crops), demb(embedded), dcls(cls), dplaces(places), dsub(sub), dglb(glb);
    on_card<float> x(vector<float>((size_t)(n * (1 + n_patches) * c), NAN));
    on_card<struct bf16> rows(vector<struct bf16>((size_t)(n * n_patches * ld), {0}));
    patches_launch(&card_queue, rows.data, ld, dcrops.data, n, side, patch);
    tokens_launch(&card_queue, x.data, demb.data, dcls.data, dplaces.data, n, n_patches, c);
    vector<double> want((size_t)(n * n_patches * ld)), want_x, want_merged;
    for (int i = 0; i < n; i++)
        for (int p = 0; p < n_patches; p++)
            for (int ch = 0; ch < 3; ch++)
                for (int y = 0; y < patch; y++)
                    for (int z = 0; z < patch; z++)
                        want[(size_t)((i * n_patches + p) * ld + (ch * patch + y) * patch + z)] =
                            crops[(size_t)(((i * 3 + ch) * side + p / per_side * patch + y) * side +
                                           p % per_side * patch + z)];
    for (int i = 0; i < n; i++)
        for (int t = 0; t <= n_patches; t++)
            for (int e = 0; e < c; e++)
                want_x.push_back(
                    (t ? embedded[(size_t)((i * n_patches + t - 1) * c + e)] : cls[(size_t)e]) +
                    places[(size_t)(t * c + e)]);
    compare("patches", rows.read(), want, ROUNDED);
    compare("tokens", x.read(), want_x, EXACT);

    vector<int> sources = {3, MERGE_SUB_GN, 4, MERGE_GLB_GN, 0};
    on_card<int> dsources(sources);
    on_card<struct bf16> y(vector<struct bf16>((size_t)(5 * merged_ld), {0}));
    struct merge m = {x.data, dsub.data, dglb.data, dsources.data, y.data, merged_ld, 5, grid, c};
    merge_launch(&card_queue, &m);
    for (int s : sources)
        for (int i = 0; i < merged_ld; i++) {
            int quarter = i / c, cell = s % (grid * grid);
            int row = 2 * (cell / grid) + quarter / 2, col = 2 * (cell % grid) + quarter % 2;
            size_t token = (size_t)(s / (grid * grid) * (1 + n_patches) + 1 + row * 2 * grid + col);
            if (i >= 4 * c)
                want_merged.push_back(0);
            else if (s < 0)
                want_merged.push_back(s == MERGE_SUB_GN ? sub[(size_t)i] : glb[(size_t)i]);
            else
                want_merged.push_back(want_x[token * (size_t)c + (size_t)(i % c)]);
        }
    compare("merge", y.read(), want_merged, ROUNDED);
}

/* -- Choosing ---------------------------------------------------------------------------------- */

void test_argmax_of(const char *name, const vector<float> &logits, int want)
{
    on_card<float> dlogits(logits);
    on_card<struct row_source> next({{nullptr, 5, 9}});
    on_card<int> ids({-7, -7, -7, -7});
    argmax_launch(&card_queue, dlogits.data, (int)logits.size(), next.data, ids.data, 4);
    vector<int> got = ids.read();
    struct row_source after = next.read()[0];
    bool ok = got[9 % 4] == want && got[0] == -7 && after.id == want && after.pos == 10;
    verdict(ok, name, got[9 % 4], want);
}

void test_argmax()
{
    vector<float> logits = random_floats(32064);
    logits[31999] = 3;
    test_argmax_of("argmax", logits, 31999);
    logits[1025] = logits[2] = 3;
    test_argmax_of("argmax: the lowest of equals", logits, 2);
    logits[777] = NAN;
    test_argmax_of("argmax: not a number", logits, -1);
    test_argmax_of("argmax: of minus infinity", vector<float>(5, -INFINITY), -1);
    test_argmax_of("argmax: infinite", {1, INFINITY, 2}, -1);
    test_argmax_of("argmax: of one", {-3}, 0);
}

void test_all()
{
    test_gemv_warps();
    test_gemv(70, 60, GEMV_STORE, true);
    test_gemv(33, 331, GEMV_ADD, false);
    test_gemv(26, 1100, GEMV_SILU_MUL, true);
    test_gemv(500, 3072, GEMV_STORE, false);
    for (enum packing p : {PACKED_Q8, PACKED_Q4}) {
        test_gemv_packed(p, 70, 60, GEMV_STORE, true);
        test_gemv_packed(p, 33, 331, GEMV_ADD, false);
        test_gemv_packed(p, 32, 1100, GEMV_SILU_MUL, true);
        test_gemv_packed(p, 26, 96, GEMV_SILU_MUL, true);
        test_gemv_packed(p, 200, 3072, GEMV_STORE, false);
        test_unpack(p, 70, 60, 0);
        test_unpack(p, 70, 331, 32);
    }
    test_gemv_packed_nan();
    test_attend_decode(200, 6, 2, 10, 3, true);
    test_attend_decode(64, 2, 2, 64, 1, true);
    test_attend_step(63, 6, 2, 96, 3, true);
    test_attend_step(128, 2, 1, 10, 4, true);
    test_attend_step(20, 2, 2, 128, 1, true);
    test_attend_prefill(77, 40, 4, 2, 96, true);
    test_attend_prefill(0, 70, 2, 1, 10, true);
    test_split_heads(70, 3, 1, 10, true);
    test_split_heads(5, 2, 2, 96, true);
    test_attend_decode(0, 2, 1, 10, 4);
    test_attend_decode(200, 6, 2, 10, 3);
    test_attend_decode(517, 4, 4, 96, 16);
    test_attend_decode(64, 2, 2, 64, 1);
    test_attend_decode(130, 1, 1, 128, 2);
    test_attend_step(0, 4, 2, 10, 2);
    test_attend_step(1, 2, 2, 96, 1);
    test_attend_step(63, 6, 2, 96, 3);
    test_attend_step(300, 4, 4, 96, 16);
    test_attend_step(128, 2, 1, 64, 4);
    test_attend_prefill(0, 1, 2, 1, 10);
    test_attend_prefill(0, 131, 2, 2, 96);
    test_attend_prefill(77, 40, 4, 2, 96);
    test_attend_prefill(64, 64, 1, 1, 128);
    test_attend_prefill(300, 20, 2, 2, 64);
    test_attend_tower(2, 145, 2, 64);
    test_attend_tower(1, 65, 3, 32);
    test_norms(3, 60);
    test_norms(2, 3072);
    test_activations(3, 33);
    test_activations(2, 704);
    test_split_heads(70, 3, 1, 10);
    test_split_heads(5, 2, 2, 96);
    test_inputs(300, 4);
    test_pictures();
    test_argmax();
}

} // namespace

int main(int argc, char **argv)
{
    int n_cards = 0;
    cudaError_t rc = cudaGetDeviceCount(&n_cards);
    if (rc != cudaSuccess || n_cards == 0) {
        printf("1..0 # SKIP no GPU: %s\n", cudaGetErrorString(rc));
        return 0;
    }
    struct cudaDeviceProp card;
    need(cudaGetDeviceProperties(&card, 0));
    need(cudaStreamCreateWithFlags(&card_queue.stream, cudaStreamNonBlocking));
    card_queue.n_sms = card.multiProcessorCount;
    card_queue.overlap = card.major >= 9;
    for (int i = 1; i < argc || i == 1; i++) {
#ifdef EMULATED
        emulated_set_seed(argc > 1 ? strtoull(argv[i], nullptr, 10) : 0);
        printf("# seed %s\n", argc > 1 ? argv[i] : "0");
#else
        (void)argv;
#endif
        test_all();
    }
    cudaStreamDestroy(card_queue.stream);
    printf("1..%d\n", n_tests);
    return n_failed != 0;
}
