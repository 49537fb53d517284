/* SPDX-License-Identifier: MIT */
#include "gemv.h"

#include "packed.h"
#include "port.h"

namespace
{

enum { CHUNK = 8 /* bf16 of a 16-byte load */, IN_FLIGHT = 4, BLOCKS_PER_SM = 2, MAX_WARPS = 16 };

/* The vector in shared memory as two planes of n_chunks float4: values 0-3 and 4-7 of every chunk.
 * Lanes that read neighbouring chunks so touch neighbouring banks. */
struct planes {
    float4 *low, *high;
};

/* v = x (* norm), padded with zeros; returns the factor the norm still owes, which is put on the
 * sums. */
__device__ float load_vector(const struct gemv &g, const struct planes &v, float *scratch)
{
    float squares = 0;
    int n = g.w.n_in, n_padded = (int)g.w.ld;
    for (int i = (int)threadIdx.x; i < n_padded; i += (int)blockDim.x) {
        float x = i < n ? g.x[i] : 0;
        squares += x * x;
        if (g.norm && i < n) x *= g.norm[i];
        float4 *plane = i % CHUNK < 4 ? v.low : v.high;
        ((float *)&plane[i / CHUNK])[i % 4] = x;
    }
    squares = block_sum(squares, scratch); /* its barrier also makes v whole */
    return g.norm ? rsqrtf(squares / (float)n + g.eps) : 1.0f;
}

__device__ __forceinline__ float dot_chunk(uint4 w, float4 low, float4 high)
{
    float f[CHUNK];
    widen8(w, f);
    float a = f[0] * low.x + f[1] * low.y + f[2] * low.z + f[3] * low.w;
    return a + (f[4] * high.x + f[5] * high.y + f[6] * high.z + f[7] * high.w);
}

/* This lane's share of N rows times v: IN_FLIGHT loads of each row are under way together. */
template <int N>
__device__ void dot_rows(const struct bf16 *const *rows, const struct planes &v, int n_chunks,
                         int lane, float *sums)
{
    int i = lane;
    for (; i + (IN_FLIGHT - 1) * WARP < n_chunks; i += IN_FLIGHT * WARP) {
        uint4 w[N][IN_FLIGHT];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++)
#pragma unroll
            for (int r = 0; r < N; r++)
                w[r][k] = load_once(rows[r] + (int64_t)(i + k * WARP) * CHUNK);
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) {
            float4 low = v.low[i + k * WARP], high = v.high[i + k * WARP];
#pragma unroll
            for (int r = 0; r < N; r++) sums[r] += dot_chunk(w[r][k], low, high);
        }
    }
    for (; i < n_chunks; i += WARP)
#pragma unroll
        for (int r = 0; r < N; r++)
            sums[r] += dot_chunk(load_once(rows[r] + (int64_t)i * CHUNK), v.low[i], v.high[i]);
}

/* The first row that a warp will need is on its way before the launch ahead has ended: weights
 * never change. */
__device__ void prefetch_rows(const struct gemv &g, int task, int n_tasks, int lane)
{
    if (task >= n_tasks) return;
    const char *row = (const char *)(g.w.data + task * g.w.ld);
    int n_bytes = (int)g.w.ld * (int)sizeof(struct bf16);
    for (int at = lane * 128; at < n_bytes; at += WARP * 128) prefetch_l2(row + at);
}

/* A warp per row; for GEMV_SILU_MUL per pair of rows o and o + n_out/2. Dynamic shared memory: [ld]
 * f32. */
template <enum gemv_then THEN>
__global__ void __launch_bounds__(MAX_WARPS *WARP) gemv_bf16(struct gemv g)
{
    constexpr int N = THEN == GEMV_SILU_MUL ? 2 : 1;
    SHARED_DYNAMIC(float4, vector);
    SHARED(float, scratch, WARP);
    int n_chunks = (int)g.w.ld / CHUNK, n_tasks = g.w.n_out / N;
    int lane = (int)threadIdx.x % WARP, n_warps = (int)blockDim.x / WARP;
    int task = (int)blockIdx.x * n_warps + (int)threadIdx.x / WARP;
    struct planes v = {vector, vector + n_chunks};
    grid_release();
    prefetch_rows(g, task, n_tasks, lane);
    grid_wait();
    float scale = load_vector(g, v, scratch);
    for (; task < n_tasks; task += (int)gridDim.x * n_warps) {
        const struct bf16 *rows[2] = {g.w.data + task * g.w.ld,
                                      g.w.data + (task + n_tasks) * g.w.ld};
        float sums[2] = {0, 0};
        dot_rows<N>(rows, v, n_chunks, lane, sums);
#pragma unroll
        for (int r = 0; r < N; r++) sums[r] = warp_sum(sums[r]) * scale;
        if (lane != 0) continue;
        if (THEN == GEMV_STORE) g.y[task] = sums[0];
        if (THEN == GEMV_ADD) g.y[task] += sums[0];
        if (THEN == GEMV_SILU_MUL) g.y[task] = sums[0] / (1 + expf(-sums[0])) * sums[1];
    }
}

} // namespace

int gemv_warps(int n_tasks, int n_sms)
{
    int best = MAX_WARPS, best_idle = INT32_MAX;
    for (int warps = MAX_WARPS; warps >= MAX_WARPS / 2; warps--) {
        int side = BLOCKS_PER_SM * n_sms * warps,
            idle = (n_tasks + side - 1) / side * side - n_tasks;
        if (idle < best_idle) best = warps, best_idle = idle;
    }
    return best;
}

/* Halves that do not end with a strip are multiplied as one matrix. */
static void launch_packed(struct queue *q, const char *name, const struct gemv *g)
{
    struct gemv all = *g;
    if (g->then != GEMV_SILU_MUL || g->w.n_out / 2 % STRIP_OUTS == 0)
        return gemv_packed_launch(q, name, g);
    all.then = GEMV_STORE;
    all.y = g->wide;
    gemv_packed_launch(q, name, &all);
    silu_mul32_launch(q, g->y, g->wide, g->w.n_out / 2);
}

void gemv_launch(struct queue *q, const char *name, const struct gemv *g)
{
    if (g->w.packing != PACKED_NOT) return launch_packed(q, name, g);
    int n_tasks = g->then == GEMV_SILU_MUL ? g->w.n_out / 2 : g->w.n_out;
    int warps = gemv_warps(n_tasks, q->n_sms), blocks = (n_tasks + warps - 1) / warps;
    if (blocks > BLOCKS_PER_SM * q->n_sms) blocks = BLOCKS_PER_SM * q->n_sms;
    struct shape s = {dim3((unsigned)blocks), warps * WARP, (size_t)g->w.ld * sizeof(float), true};
    struct work_size work = {(int64_t)g->w.n_out * g->w.n_in * 2,
                             2 * (int64_t)g->w.n_out * g->w.n_in};
    if (g->then == GEMV_STORE) launch(q, name, s, work, gemv_bf16<GEMV_STORE>, *g);
    if (g->then == GEMV_ADD) launch(q, name, s, work, gemv_bf16<GEMV_ADD>, *g);
    if (g->then == GEMV_SILU_MUL) launch(q, name, s, work, gemv_bf16<GEMV_SILU_MUL>, *g);
}
