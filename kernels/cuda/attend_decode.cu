/* SPDX-License-Identifier: MIT */
#include "attend.h"
#include "kv8.h"
#include "port.h"

namespace
{

enum { WARPS = 4, GROUP = 4 /* lanes that share a key */, GROUPS = WARP / GROUP, UNROLL = 2 };

/* Stands for minus infinity, but differences of it are numbers. */
constexpr float LOWEST = -1e30f;

/* What a group, a warp or a split knows about its keys: sum_k 2^(s_k - max) v_k, and the same sum
 * of ones. Lane t of a group holds elements 8 (t + 4 c) + 0 … 7 for c < C. */
template <int C> struct partial {
    float max, sum, out[C * 8];
};

template <int C> __device__ __forceinline__ void load_row(const struct bf16 *row, int t, float *ret)
{
#pragma unroll
    for (int c = 0; c < C; c++) {
        uint4 x =
            *(const uint4 *)(row +
                             8 * (t + GROUP * c)); /* plain loads: this launch stores keys too */
        widen8(x, ret + 8 * c);
    }
}

/* Position `at` of a head's plane. */
template <int C, bool Q8>
__device__ __forceinline__ void load_key(const struct bf16 *plane, int at, int t, float *ret)
{
    constexpr int D = 8 * GROUP * C;
    if constexpr (Q8) {
#pragma unroll
        for (int c = 0; c < C; c++) {
            uint2 x = *(const uint2 *)((const char *)plane + at * D + 8 * (t + GROUP * c));
            kv_widen8(x, kv_scales(plane, D)[at * C + c], ret + 8 * c);
        }
    } else {
        load_row<C>(plane + at * D, t, ret);
    }
}

template <int C> __device__ __forceinline__ float group_dot(const float *q, const float *k)
{
    float s = 0;
#pragma unroll
    for (int i = 0; i < C * 8; i++) s += q[i] * k[i];
    s += __shfl_xor_sync(ALL_LANES, s, 1);
    return s + __shfl_xor_sync(ALL_LANES, s, 2);
}

/* One more key, of score s and value v. */
template <int C>
__device__ __forceinline__ void take_key(struct partial<C> *p, float s, const float *v)
{
    float max = fmaxf(p->max, s), keep = exp2_fast(p->max - max), weight = exp2_fast(s - max);
    p->max = max;
    p->sum = p->sum * keep + weight;
#pragma unroll
    for (int i = 0; i < C * 8; i++) p->out[i] = p->out[i] * keep + weight * v[i];
}

/* p becomes the partial of its own keys and those of the lane `step` away. */
template <int C> __device__ __forceinline__ void merge_lanes(struct partial<C> *p, int step)
{
    float other_max = __shfl_xor_sync(ALL_LANES, p->max, step);
    float other_sum = __shfl_xor_sync(ALL_LANES, p->sum, step);
    float max = fmaxf(p->max, other_max);
    float mine = exp2_fast(p->max - max), theirs = exp2_fast(other_max - max);
    p->max = max;
    p->sum = p->sum * mine + other_sum * theirs;
#pragma unroll
    for (int i = 0; i < C * 8; i++)
        p->out[i] = p->out[i] * mine + __shfl_xor_sync(ALL_LANES, p->out[i], step) * theirs;
}

/* -- The query, and the key and value of its own position
 * ------------------------------------------ */

/* Element i of a head row x of head_dim values, turned by the row's cos and sin (docs/model.md,
 * Rotary positions). */
__device__ float turned(const struct attend_decode &a, int row, const float *x, int i)
{
    int half = a.head_dim / 2;
    const float *cos = a.cos + row * half, *sin = a.sin + row * half;
    if (i < half) return x[i] * cos[i] - x[i + half] * sin[i];
    return x[i] * cos[i - half] + x[i - half] * sin[i - half];
}

/* q in shared memory, scaled for scores in base 2; with qkv also the new key and value. */
template <int D>
__device__ void load_query(const struct attend_decode &a, int row, int head, int kv_head, float *q,
                           float *new_k, float *new_v)
{
    float scale = rsqrtf((float)a.head_dim) * 1.44269504f;
    for (int i = (int)threadIdx.x; i < D; i += WARPS * WARP) {
        bool used = i < a.head_dim;
        if (a.q) {
            q[i] = widen(a.q[((int64_t)row * a.n_heads + head) * D + i]) * scale;
            continue;
        }
        const float *heads = a.qkv + (int64_t)row * (a.n_heads + 2 * a.n_kv_heads) * a.head_dim;
        const float *k = heads + (a.n_heads + kv_head) * a.head_dim;
        const float *v = k + a.n_kv_heads * a.head_dim;
        q[i] = used ? turned(a, row, heads + head * a.head_dim, i) * scale : 0;
        new_k[i] = used ? turned(a, row, k, i) : 0;
        new_v[i] = used ? v[i] : 0;
    }
}

/* The new row x becomes what is stored of it; with a plane it is stored there, as position `at`. A
 * warp per 32 dimensions. */
template <int D, bool Q8> __device__ void round_row(float *x, struct bf16 *plane, int at)
{
    for (int i = (int)threadIdx.x; i < D; i += WARPS * WARP) {
        float value = x[i];
        if constexpr (Q8) {
            uint32_t size = __float_as_uint(value) & 0x7fffffffu;
            float scale = __uint_as_float(kv_scale_bits(__uint_as_float(warp_max(size))) << 16);
            x[i] = (float)kv_round8(value, scale) * scale;
            if (plane) kv_store8(plane, D, at, i, value);
        } else {
            struct bf16 rounded;
            narrow(value, &rounded);
            x[i] = widen(rounded);
            if (plane) plane[at * D + i] = rounded;
        }
    }
}

/* -- Sums over warps and splits
 * --------------------------------------------------------------------- */

/* Element i of the sum of n partials that lie at parts[p * (D + 2)]: max, sum, out[D]. */
template <int D>
__device__ float merged(const float *parts, int n, int i, float *ret_max, float *ret_sum)
{
    float max = LOWEST, sum = 0, out = 0;
    for (int p = 0; p < n; p++) max = fmaxf(max, parts[p * (D + 2)]);
    for (int p = 0; p < n; p++) {
        float weight = exp2_fast(parts[p * (D + 2)] - max);
        sum += parts[p * (D + 2) + 1] * weight;
        out += parts[p * (D + 2) + 2 + i] * weight;
    }
    *ret_max = max;
    *ret_sum = sum;
    return out;
}

__device__ void store_out(const struct attend_decode &a, int row, int head, int i, float x)
{
    if (i >= a.head_dim) return;
    int64_t at = row * a.out_stride + (int64_t)head * a.head_dim + i;
    if (a.out)
        a.out[at] = x;
    else
        narrow(x, &a.out16[at]);
}

/* True in every thread of the block that came last of a head's splits; the others' parts can then
 * be read. */
__device__ bool came_last(int *arrived, int n_splits, int *shared_flag)
{
    __threadfence();
    __syncthreads();
    if (threadIdx.x == 0) {
        *shared_flag = atomicAdd(arrived, 1) == n_splits - 1;
        if (*shared_flag) *arrived = 0;
    }
    __syncthreads();
    __threadfence();
    return *shared_flag;
}

/* grid: (heads, splits, rows); rows with fewer splits leave the last ones idle. Keys before the
 * row's own are split evenly; the own one belongs to split 0 when this launch stores it. */
template <int D, bool Q8>
__global__ void __launch_bounds__(WARPS *WARP) attend_decode_kernel(struct attend_decode a)
{
    constexpr int C = D / (8 * GROUP);
    SHARED(float, q, D);
    SHARED(float, new_k, D);
    SHARED(float, new_v, D);
    SHARED(float, warp_parts, WARPS *(D + 2));
    SHARED(int, last, 1);
    int head = (int)blockIdx.x, split = (int)blockIdx.y, row = (int)blockIdx.z;
    int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    int group = lane / GROUP, t = lane % GROUP;
    int per_kv = a.n_heads / a.n_kv_heads, kv_head = head / per_kv;
    grid_release();
    grid_wait();
    int pos = a.pos[row], n_stored = a.q ? pos + 1 : pos, n_splits = attend_splits(pos + 1);
    if (split >= n_splits) return; /* the whole block */
    load_query<D>(a, row, head, kv_head, q, new_k, new_v);
    __syncthreads();

    int step = WARPS * GROUPS * UNROLL;
    int per_split = (n_stored + n_splits * step - 1) / (n_splits * step) * step;
    int begin = split * per_split,
        end = begin + per_split < n_stored ? begin + per_split : n_stored;
    struct bf16 *const *table = a.tables[row];
    int64_t head_at = kv_head * kv_plane(Q8, D);
    if (!a.q && split == 0) { /* the first query head of a group stores the group's key and value */
        struct bf16 *block = head % per_kv == 0 ? table[pos / KEYS_PER_BLOCK] + head_at : nullptr;
        round_row<D, Q8>(new_k, block ? block + a.k_offset : nullptr, pos % KEYS_PER_BLOCK);
        round_row<D, Q8>(new_v, block ? block + a.v_offset : nullptr, pos % KEYS_PER_BLOCK);
        __syncthreads();
    }

    float mine[C * 8];
#pragma unroll
    for (int i = 0; i < C * 8; i++) mine[i] = q[8 * (t + GROUP * (i / 8)) + i % 8];
    struct partial<C> p;
    p.max = LOWEST;
    p.sum = 0;
#pragma unroll
    for (int i = 0; i < C * 8; i++) p.out[i] = 0;

    for (int base = begin + warp * GROUPS * UNROLL; base < end; base += step) {
        float k[UNROLL][C * 8], v[UNROLL][C * 8];
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            int key = base + u * GROUPS + group;
            if (key >= end) key = end - 1; /* read twice, counted once */
            const struct bf16 *block = table[key / KEYS_PER_BLOCK] + head_at;
            load_key<C, Q8>(block + a.k_offset, key % KEYS_PER_BLOCK, t, k[u]);
            load_key<C, Q8>(block + a.v_offset, key % KEYS_PER_BLOCK, t, v[u]);
        }
#pragma unroll
        for (int u = 0; u < UNROLL; u++) {
            float s = group_dot<C>(mine, k[u]);
            if (base + u * GROUPS + group < end) take_key<C>(&p, s, v[u]);
        }
    }
    if (!a.q && split == 0 && warp == 0) {
        float k[C * 8], v[C * 8];
#pragma unroll
        for (int i = 0; i < C * 8; i++) {
            k[i] = new_k[8 * (t + GROUP * (i / 8)) + i % 8];
            v[i] = new_v[8 * (t + GROUP * (i / 8)) + i % 8];
        }
        float s = group_dot<C>(mine, k);
        if (group == 0) take_key<C>(&p, s, v);
    }
    for (int away = GROUP; away < WARP; away *= 2) merge_lanes<C>(&p, away);
    float *own = warp_parts + warp * (D + 2);
    if (lane == 0) own[0] = p.max, own[1] = p.sum;
    if (group == 0)
#pragma unroll
        for (int i = 0; i < C * 8; i++) own[2 + 8 * (t + GROUP * (i / 8)) + i % 8] = p.out[i];
    __syncthreads();

    int64_t which = (int64_t)row * a.n_heads + head;
    float *parts = a.parts + which * ATTEND_MAX_SPLITS * (D + 2), max, sum;
    for (int i = (int)threadIdx.x; i < D; i += WARPS * WARP) {
        float x = merged<D>(warp_parts, WARPS, i, &max, &sum), *part = parts + split * (D + 2);
        part[2 + i] = x;
        if (i == 0) part[0] = max, part[1] = sum;
    }
    if (!came_last(&a.arrived[which], n_splits, last)) return;
    for (int i = (int)threadIdx.x; i < D; i += WARPS * WARP) {
        float x = merged<D>(parts, n_splits, i, &max, &sum);
        store_out(a, row, head, i, x / sum);
    }
}

template <int D>
void launch_size(struct queue *q, const struct attend_decode *a, const struct shape &s,
                 struct work_size work)
{
    if (a->is_q8)
        launch(q, "attend_decode", s, work, attend_decode_kernel<D, true>, *a);
    else
        launch(q, "attend_decode", s, work, attend_decode_kernel<D, false>, *a);
}

} // namespace

size_t attend_parts_floats(int n_rows, int n_heads, int head_dim)
{
    return (size_t)n_rows * (size_t)n_heads * ATTEND_MAX_SPLITS * (size_t)(pad_head(head_dim) + 2);
}

void attend_decode_launch(struct queue *q, const struct attend_decode *a)
{
    struct shape s = {dim3((unsigned)a->n_heads, (unsigned)a->n_splits, (unsigned)a->n_rows),
                      WARPS * WARP, 0, true};
    int d = pad_head(a->head_dim);
    int64_t keys = a->n_keys_hint * a->n_rows;
    int64_t row_bytes = kv_plane(a->is_q8, d) * 2 / KEYS_PER_BLOCK;
    struct work_size work = {keys * a->n_kv_heads * row_bytes * 2, keys * a->n_heads * d * 4};
    if (d == 32) launch_size<32>(q, a, s, work);
    if (d == 64) launch_size<64>(q, a, s, work);
    if (d == 96) launch_size<96>(q, a, s, work);
    if (d == 128) launch_size<128>(q, a, s, work);
}
