/* SPDX-License-Identifier: MIT */
/* Attention over keys and values in blocks, bf16 and 8 bits, and over those of the tower. */
#include <cstdio>
#include <cstdlib>

#include "kv_blocks.h"

namespace kernel_tests
{
namespace
{

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

void test_attend_decode(int pos, int n_heads, int n_kv, int head_dim, bool q8 = false)
{
    char name[120];
    snprintf(name, sizeof name, "attend_decode%s pos %d heads %d/%d of %d", q8 ? " q8" : "", pos,
             n_heads, n_kv, head_dim);
    int d = pad_head(head_dim), n_rows = 2;
    cache c(pos + 1, n_kv, head_dim, q8), shorter(pos / 2 + 1, n_kv, head_dim, q8);
    cache *caches[2] = {&c, &shorter};
    cache_on_gpu dc(c), on_shorter(shorter);
    vector<struct bf16> q = random_rows((int64_t)n_rows * n_heads, head_dim, d);
    on_gpu<struct bf16> dq(q);
    on_gpu<struct bf16 *const *> tables({dc.table->data, on_shorter.table->data});
    on_gpu<int> dpos({pos, pos / 2}), arrived(vector<int>((size_t)(n_rows * n_heads), 0));
    on_gpu<float> parts(vector<float>(attend_parts_floats(n_rows, n_heads, head_dim), NAN));
    on_gpu<float> out(vector<float>((size_t)(n_rows * n_heads * head_dim), NAN));
    struct attend_decode a = {};
    a.q = dq.data;
    a.tables = tables.data;
    a.pos = dpos.data;
    a.k_offset = c.k_offset, a.v_offset = c.v_offset;
    a.n_rows = n_rows, a.n_heads = n_heads, a.n_kv_heads = n_kv, a.head_dim = head_dim;
    a.n_splits = attend_splits(pos + 1), a.is_q8 = q8;
    a.parts = parts.data, a.arrived = arrived.data;
    a.out = out.data, a.out_stride = n_heads * head_dim;
    attend_decode_launch(&gpu_queue, &a);
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

void test_attend_step(int pos, int n_heads, int n_kv, int head_dim, bool q8 = false)
{
    char name[120];
    snprintf(name, sizeof name, "attend_decode%s step at %d heads %d/%d of %d", q8 ? " q8" : "",
             pos, n_heads, n_kv, head_dim);
    cache c(pos, n_kv, head_dim, q8);
    cache_on_gpu dc(c);
    vector<float> qkv = random_floats((size_t)((n_heads + 2 * n_kv) * head_dim));
    vector<float> cos = random_floats((size_t)head_dim / 2),
                  sin = random_floats((size_t)head_dim / 2);
    on_gpu<float> dqkv(qkv), dcos(cos), dsin(sin);
    on_gpu<struct bf16 *const *> tables({dc.table->data});
    on_gpu<int> dpos({pos}), arrived(vector<int>((size_t)n_heads, 0));
    on_gpu<float> parts(vector<float>(attend_parts_floats(1, n_heads, head_dim), NAN));
    on_gpu<struct bf16> out(vector<struct bf16>((size_t)(n_heads * head_dim), NOT_A_NUMBER));
    struct attend_decode a = {};
    a.qkv = dqkv.data, a.cos = dcos.data, a.sin = dsin.data;
    a.tables = tables.data;
    a.pos = dpos.data;
    a.k_offset = c.k_offset, a.v_offset = c.v_offset;
    a.n_rows = 1, a.n_heads = n_heads, a.n_kv_heads = n_kv, a.head_dim = head_dim;
    a.n_splits = attend_splits(pos + 1), a.is_q8 = q8;
    a.parts = parts.data, a.arrived = arrived.data;
    a.out16 = out.data, a.out_stride = n_heads * head_dim;
    attend_decode_launch(&gpu_queue, &a);

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

/* Steps of sequences of several lengths in one launch: outputs and what is stored, bit for bit as
 * of launches for each. */
void test_attend_together(int n_heads, int n_kv, int head_dim, bool q8)
{
    enum { N = 4 };
    static const int pos[N] = {63, 0, 1030, 700}; // the most splits would divide 700 otherwise
    char name[120];
    snprintf(name, sizeof name, "attend_decode%s, %d steps in one launch", q8 ? " q8" : "", N);
    size_t width = (size_t)((n_heads + 2 * n_kv) * head_dim), wide = (size_t)(n_heads * head_dim);
    vector<cache_on_gpu *> together, alone;
    vector<struct bf16 *const *> of_together, of_alone;
    for (int p : pos) {
        cache c(p, n_kv, head_dim, q8);
        together.push_back(new cache_on_gpu(c)), alone.push_back(new cache_on_gpu(c));
        of_together.push_back(together.back()->table->data);
        of_alone.push_back(alone.back()->table->data);
    }
    on_gpu<float> qkv(random_floats(N * width)), cos(random_floats(N * (size_t)head_dim / 2)),
        sin(random_floats(N * (size_t)head_dim / 2));
    on_gpu<struct bf16 *const *> tables(of_together), tables_alone(of_alone);
    on_gpu<int> dpos(vector<int>(pos, pos + N)), arrived(vector<int>((size_t)(N * n_heads), 0));
    on_gpu<float> parts(vector<float>(attend_parts_floats(N, n_heads, head_dim), NAN));
    on_gpu<float> out(vector<float>(N * wide, NAN)), out_alone(vector<float>(N * wide, NAN));
    struct attend_decode a = {};
    a.qkv = qkv.data, a.cos = cos.data, a.sin = sin.data;
    a.tables = tables.data, a.pos = dpos.data;
    cache any(1, n_kv, head_dim, q8);
    a.k_offset = any.k_offset, a.v_offset = any.v_offset;
    a.n_rows = N, a.n_heads = n_heads, a.n_kv_heads = n_kv, a.head_dim = head_dim;
    a.n_splits = ATTEND_MAX_SPLITS, a.is_q8 = q8;
    a.parts = parts.data, a.arrived = arrived.data;
    a.out = out.data, a.out_stride = (int64_t)wide;
    attend_decode_launch(&gpu_queue, &a);
    a.n_rows = 1;
    for (int r = 0; r < N; r++) {
        a.qkv = qkv.data + (size_t)r * width;
        a.cos = cos.data + r * head_dim / 2, a.sin = sin.data + r * head_dim / 2;
        a.tables = tables_alone.data + r, a.pos = dpos.data + r;
        a.n_splits = attend_splits(pos[r] + 1);
        a.out = out_alone.data + (size_t)r * wide;
        attend_decode_launch(&gpu_queue, &a);
    }
    compare_bits(name, out.read(), out_alone.read());
    for (int r = 0; r < N; r++) {
        int block = pos[r] / KEYS_PER_BLOCK;
        compare_bits("  its key and value, too", together[(size_t)r]->read(block),
                     alone[(size_t)r]->read(block));
        delete together[(size_t)r];
        delete alone[(size_t)r];
    }
}

void test_attend_prefill(int first_pos, int n_rows, int n_heads, int n_kv, int head_dim,
                         bool q8 = false)
{
    char name[120];
    snprintf(name, sizeof name, "attend_prefill%s %d rows from %d heads %d/%d of %d",
             q8 ? " q8" : "", n_rows, first_pos, n_heads, n_kv, head_dim);
    int d = pad_head(head_dim), n_keys = first_pos + n_rows;
    cache c(n_keys, n_kv, head_dim, q8);
    cache_on_gpu dc(c);
    vector<struct bf16> q = random_rows((int64_t)n_rows * n_heads, head_dim, d);
    on_gpu<struct bf16> dq(q),
        out(vector<struct bf16>((size_t)n_rows * n_heads * head_dim, NOT_A_NUMBER));
    struct attend_prefill a = {};
    a.q = dq.data, a.q_row = n_heads * d, a.q_head = d;
    a.table = dc.table->data, a.is_q8 = q8;
    a.k_offset = c.k_offset, a.v_offset = c.v_offset;
    a.out = out.data, a.out_row = n_heads * head_dim;
    a.n_batch = 1, a.n_rows = n_rows, a.n_heads = n_heads, a.n_kv_heads = n_kv,
    a.head_dim = head_dim;
    a.n_keys = n_keys, a.causal = true, a.first_pos = first_pos;
    attend_prefill_launch(&gpu_queue, &a);
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
    on_gpu<struct bf16> dqkv(qkv),
        out(vector<struct bf16>((size_t)n_batch * n_tokens * c, NOT_A_NUMBER));
    struct attend_prefill a = {};
    a.q = dqkv.data, a.k = dqkv.data + c, a.v = dqkv.data + 2 * c;
    a.q_batch = a.kv_batch = n_tokens * ld, a.q_row = a.kv_row = ld, a.q_head = a.kv_head = d;
    a.out = out.data, a.out_batch = n_tokens * c, a.out_row = c;
    a.n_batch = n_batch, a.n_rows = n_tokens, a.n_heads = a.n_kv_heads = n_heads, a.head_dim = d;
    a.n_keys = n_tokens;
    attend_prefill_launch(&gpu_queue, &a);
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

} // namespace

void test_attention()
{
    test_attend_decode(200, 6, 2, 10, true);
    test_attend_decode(64, 2, 2, 64, true);
    test_attend_step(63, 6, 2, 96, true);
    test_attend_step(128, 2, 1, 10, true);
    test_attend_step(20, 2, 2, 128, true);
    test_attend_prefill(77, 40, 4, 2, 96, true);
    test_attend_prefill(0, 70, 2, 1, 10, true);
    test_attend_decode(0, 2, 1, 10);
    test_attend_decode(200, 6, 2, 10);
    test_attend_decode(1100, 4, 4, 96);
    test_attend_decode(64, 2, 2, 64);
    test_attend_decode(130, 1, 1, 128);
    test_attend_step(0, 4, 2, 10);
    test_attend_step(1, 2, 2, 96);
    test_attend_step(63, 6, 2, 96);
    test_attend_step(1024, 4, 4, 96);
    test_attend_step(128, 2, 1, 64);
    test_attend_together(4, 2, 10, false);
    test_attend_together(2, 2, 64, true);
    test_attend_prefill(0, 1, 2, 1, 10);
    test_attend_prefill(0, 131, 2, 2, 96);
    test_attend_prefill(77, 40, 4, 2, 96);
    test_attend_prefill(64, 64, 1, 1, 128);
    test_attend_prefill(300, 20, 2, 2, 64);
    test_attend_tower(2, 145, 2, 64);
    test_attend_tower(1, 65, 3, 32);
}

} // namespace kernel_tests
