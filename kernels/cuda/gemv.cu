/* SPDX-License-Identifier: MIT */
#include "gemv.h"

#include "gemv_then.h"
#include "packed.h"
#include "port.h"

namespace
{

enum { CHUNK = 8 /* bf16 of a 16-byte load */, IN_FLIGHT = 4, MAX_WARPS = 16 };

/* Rows that a warp takes together: the more vectors, the more often each value that comes from
 * shared memory has to be used. Several vectors leave room for one block only. */
template <enum gemv_then THEN, int N> constexpr int ROWS = THEN == GEMV_SILU_MUL || N > 1 ? 2 : 1;
template <int N> constexpr int BLOCKS_PER_SM = N > 1 ? 1 : 2;

/* The vectors' columns from … from + 8 n_chunks - 1 in shared memory, each as two planes of
 * n_chunks float4: values 0-3 and 4-7 of every chunk. Lanes that read neighbouring chunks so touch
 * neighbouring banks. */
struct panel {
    float4 *planes; // [N][2][n_chunks]
    int from, n_chunks;
};

/* Fills it with v = x (* norm), zeros behind n_in and in place of vectors that are not there.
 * Adds this thread's squares of x. */
template <int N>
__device__ void load_panel(const struct gemv &g, const struct panel &p, float *squares)
{
    int n_in = g.w.n_in;
    for (int i = (int)threadIdx.x; i < p.n_chunks * CHUNK; i += (int)blockDim.x) {
        int at = p.from + i;
        float norm = g.norm && at < n_in ? g.norm[at] : 1;
#pragma unroll
        for (int v = 0; v < N; v++) {
            float x = at < n_in && v < g.n ? g.x[(int64_t)v * n_in + at] : 0;
            squares[v] = mul_add(x, x, squares[v]);
            float4 *plane = p.planes + (2 * v + i % CHUNK / 4) * p.n_chunks;
            ((float *)&plane[i / CHUNK])[i % 4] = x * norm;
        }
    }
}

/* In lane v the factor that the norm still owes vector v, which is put on the sums. Its barrier
 * also makes a panel whole. scratch: [N][WARP] */
template <int N> __device__ float norm_factor(const struct gemv &g, float *squares, float *scratch)
{
    int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    int n_warps = (int)blockDim.x / WARP;
    float own = 0;
#pragma unroll
    for (int v = 0; v < N; v++) {
        float sum = warp_sum(squares[v]);
        if (lane == 0) scratch[v * WARP + warp] = sum;
    }
    __syncthreads();
#pragma unroll
    for (int v = 0; v < N; v++) {
        float sum = warp_sum(lane < n_warps ? scratch[v * WARP + lane] : 0);
        if (lane == v) own = sum;
    }
    return g.norm ? rsqrtf(own / (float)g.w.n_in + g.eps) : 1.0f;
}

/* A chunk of R rows times that of N vectors. */
template <int R, int N>
__device__ __forceinline__ void add_chunk(const uint4 *w, const struct panel &p, int i,
                                          float (*sums)[N])
{
    float f[R][CHUNK];
#pragma unroll
    for (int r = 0; r < R; r++) widen8(w[r], f[r]);
#pragma unroll
    for (int v = 0; v < N; v++) {
        float4 low = p.planes[2 * v * p.n_chunks + i],
               high = p.planes[(2 * v + 1) * p.n_chunks + i];
        float x[CHUNK] = {low.x, low.y, low.z, low.w, high.x, high.y, high.z, high.w};
#pragma unroll
        for (int r = 0; r < R; r++)
#pragma unroll
            for (int k = 0; k < CHUNK; k++) sums[r][v] = mul_add(f[r][k], x[k], sums[r][v]);
    }
}

/* This lane's share of R rows times the panel: IN_FLIGHT loads of each row are under way together.
 * Every sum is taken in the order of the lane's chunks. */
template <int R, int N>
__device__ void add_panel(const struct bf16 *const *rows, const struct panel &p, int lane,
                          float (*sums)[N])
{
    int i = lane;
    for (; i + (IN_FLIGHT - 1) * WARP < p.n_chunks; i += IN_FLIGHT * WARP) {
        uint4 w[IN_FLIGHT][R];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++)
#pragma unroll
            for (int r = 0; r < R; r++)
                w[k][r] = load_once(rows[r] + p.from + (int64_t)(i + k * WARP) * CHUNK);
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) add_chunk<R, N>(w[k], p, i + k * WARP, sums);
    }
    for (; i < p.n_chunks; i += WARP) {
        uint4 w[R];
#pragma unroll
        for (int r = 0; r < R; r++) w[r] = load_once(rows[r] + p.from + (int64_t)i * CHUNK);
        add_chunk<R, N>(w, p, i, sums);
    }
}

/* The first row that a warp will need is on its way before the launch ahead has ended: weights
 * never change. */
__device__ void prefetch_row(const struct gemv &g, int task, int n_tasks, int lane)
{
    if (task >= n_tasks) return;
    const char *row = (const char *)(g.w.data + task * g.w.ld);
    int n_bytes = (int)g.w.ld * (int)sizeof(struct bf16);
    for (int at = lane * 128; at < n_bytes; at += WARP * 128) prefetch_l2(row + at);
}

/* Lane v stores what vector v gives for rows `task` and task + n_tasks. */
template <enum gemv_then THEN, int R, int N>
__device__ void store_rows(const struct gemv &g, int task, int n_tasks, int lane, float (*sums)[N],
                           float owed)
{
    float sum[2] = {0, 0};
#pragma unroll
    for (int v = 0; v < N; v++) {
#pragma unroll
        for (int r = 0; r < R; r++) {
            float all = warp_sum(sums[r][v]);
            if (lane == v) sum[r] = all;
        }
    }
    if (lane >= g.n) return;
    store_product<THEN>(g, lane, task, sum[0], sum[1], owed);
    if (R == 2 && THEN != GEMV_SILU_MUL && task + n_tasks < g.w.n_out)
        store_product<THEN>(g, lane, task + n_tasks, sum[1], 0, owed);
}

/* A warp for R rows: `task` and, when there are two, one half of the rows behind it, its partner of
 * GEMV_SILU_MUL. A panel holds GEMV_MAX_IN / N columns; where that is not all of them, one takes
 * the place of the other, and there is no norm. Dynamic shared memory: [N][columns of a panel] f32.
 */
template <enum gemv_then THEN, int N>
__global__ void __launch_bounds__(MAX_WARPS *WARP, BLOCKS_PER_SM<N>) gemv_bf16(struct gemv g)
{
    constexpr int R = ROWS<THEN, N>, COLUMNS = GEMV_MAX_IN / N;
    SHARED_DYNAMIC(float4, vectors);
    SHARED(float, scratch, N *WARP);
    int n_in = (int)g.w.ld, n_out = g.w.n_out, n_tasks = (n_out + R - 1) / R;
    int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
    int n_warps = (int)blockDim.x / WARP;
    struct panel p = {vectors, 0, (n_in < COLUMNS ? n_in : COLUMNS) / CHUNK};
    float squares[N];
#pragma unroll
    for (int v = 0; v < N; v++) squares[v] = 0;
    grid_release();
    prefetch_row(g, (int)blockIdx.x * n_warps + warp, n_tasks, lane);
    grid_wait();
    load_panel<N>(g, p, squares);
    float owed = norm_factor<N>(g, squares, scratch);
    /* All warps of a block go the same rounds, so that they meet where the panel changes. */
    for (int first = (int)blockIdx.x * n_warps; first < n_tasks;
         first += (int)gridDim.x * n_warps) {
        int task = first + warp < n_tasks ? first + warp : n_tasks - 1;
        const struct bf16 *rows[R];
        float sums[R][N];
#pragma unroll
        for (int r = 0; r < R; r++) {
            int row = task + r * n_tasks < n_out ? task + r * n_tasks : task;
            rows[r] = g.w.data + row * g.w.ld;
#pragma unroll
            for (int v = 0; v < N; v++) sums[r][v] = 0;
        }
        for (int from = 0; from < (N > 1 ? n_in : 1); from += COLUMNS) { /* one holds all */
            if (N > 1 && from != p.from) {
                __syncthreads();
                p.from = from;
                p.n_chunks = (n_in - from < COLUMNS ? n_in - from : COLUMNS) / CHUNK;
                load_panel<N>(g, p, squares);
                __syncthreads();
            }
            if (first + warp < n_tasks) add_panel<R, N>(rows, p, lane, sums);
        }
        if (first + warp < n_tasks) store_rows<THEN, R, N>(g, task, n_tasks, lane, sums, owed);
    }
}

template <int N> void launch_bf16(struct queue *q, const char *name, const struct gemv *g)
{
    int rows = g->then == GEMV_SILU_MUL ? 2 : ROWS<GEMV_STORE, N>,
        n_tasks = (g->w.n_out + rows - 1) / rows;
    /* Of one vector: the order of the norm's sum depends on the number of warps. */
    int warps = gemv_warps(g->then == GEMV_SILU_MUL ? g->w.n_out / 2 : g->w.n_out, q->n_sms);
    int blocks = (n_tasks + warps - 1) / warps, most = BLOCKS_PER_SM<N> * q->n_sms;
    int64_t columns = g->w.ld < GEMV_MAX_IN / N ? g->w.ld : GEMV_MAX_IN / N;
    struct shape s = {dim3((unsigned)(blocks < most ? blocks : most)), warps * WARP,
                      (size_t)(N * columns) * sizeof(float), true};
    struct work_size work = {(int64_t)g->w.n_out * g->w.n_in * 2,
                             2 * (int64_t)g->w.n_out * g->w.n_in * g->n};
    if (g->then == GEMV_STORE) launch(q, name, s, work, gemv_bf16<GEMV_STORE, N>, *g);
    if (g->then == GEMV_ADD) launch(q, name, s, work, gemv_bf16<GEMV_ADD, N>, *g);
    if (g->then == GEMV_SILU_MUL) launch(q, name, s, work, gemv_bf16<GEMV_SILU_MUL, N>, *g);
}

} // namespace

int gemv_warps(int n_tasks, int n_sms)
{
    int best = MAX_WARPS, best_idle = INT32_MAX;
    for (int warps = MAX_WARPS; warps >= MAX_WARPS / 2; warps--) {
        int side = 2 * n_sms * warps, idle = (n_tasks + side - 1) / side * side - n_tasks;
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
    silu_mul32_launch(q, g->y, g->wide, g->n, g->w.n_out / 2);
}

static void launch_some(struct queue *q, const char *name, const struct gemv *g)
{
    if (g->w.packing != PACKED_NOT) return launch_packed(q, name, g);
    if (g->n == 1) return launch_bf16<1>(q, name, g);
    if (g->n == 2) return launch_bf16<2>(q, name, g);
    if (g->n <= 4) return launch_bf16<4>(q, name, g);
    launch_bf16<8>(q, name, g);
}

/* Whether shared memory holds n vectors, as far as they have to be there together. */
static bool fits(const struct gemv *g, int n)
{
    if (g->w.packing != PACKED_NOT) return gemv_packed_fits(g->w.n_in, n);
    return !g->norm || n * g->w.ld <= GEMV_MAX_IN;
}

void gemv_launch(struct queue *q, const char *name, const struct gemv *g)
{
    int most = GEMV_MAX_VECTORS, width = g->w.n_out / (g->then == GEMV_SILU_MUL ? 2 : 1);
    while (most > 1 && !fits(g, most)) most /= 2;
    for (int first = 0; first < g->n; first += most) {
        struct gemv part = *g;
        part.n = g->n - first < most ? g->n - first : most;
        part.x += (int64_t)first * g->w.n_in;
        part.y += (int64_t)first * width;
        launch_some(q, name, &part);
    }
}
