/* SPDX-License-Identifier: MIT */
#include "sample.h"

#include "port.h"

namespace
{

enum { THREADS = 1024, STEP_THREADS = 256 };

__global__ void __launch_bounds__(STEP_THREADS)
    step_begin_kernel(float *x, struct angles a, const struct row_source *next,
                      struct dev_mat embed, int *ret_pos)
{
    grid_release();
    grid_wait();
    int i = (int)(blockIdx.x * STEP_THREADS + threadIdx.x), pos = next->pos;
    int id = next->id < 0
                 ? 0
                 : next->id; /* behind a step that chose nothing: its result is never looked at */
    if (i < embed.n_in) x[i] = widen(embed.data[id * embed.ld + i]);
    if (i < a.half) {
        float angle = (float)pos * a.inv_freq[i];
        a.cos[i] = cosf(angle) * a.magnitude;
        a.sin[i] = sinf(angle) * a.magnitude;
    }
    if (i == 0) *ret_pos = pos;
}

/* The larger value; among equals the lower index; nothing is above a NaN. */
struct best {
    float value;
    int at;
};

__device__ __forceinline__ bool better(struct best a, struct best b)
{
    if (isnan(b.value)) return false;
    if (isnan(a.value)) return true;
    return a.value > b.value || (a.value == b.value && a.at < b.at);
}

__device__ struct best warp_best(struct best b)
{
    for (int step = WARP / 2; step > 0; step /= 2) {
        struct best other = {__shfl_xor_sync(ALL_LANES, b.value, step),
                             __shfl_xor_sync(ALL_LANES, b.at, step)};
        if (better(other, b)) b = other;
    }
    return b;
}

/* One block. */
__global__ void __launch_bounds__(THREADS)
    argmax_kernel(const float *logits, int n, struct row_source *next, int *ids, int n_ids)
{
    SHARED(struct best, warps, THREADS / WARP);
    int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    grid_release();
    grid_wait();
    struct best b = {-INFINITY, n};
    for (int i = (int)threadIdx.x; i < n; i += THREADS) {
        struct best here = {logits[i], i};
        if (better(here, b)) b = here;
    }
    b = warp_best(b);
    if (lane == 0) warps[warp] = b;
    __syncthreads();
    b = warp_best(warps[lane]);
    if (threadIdx.x != 0) return;
    int id = isnan(b.value) || isinf(b.value) ? -1 : b.at, pos = next->pos;
    ids[pos % n_ids] = id;
    next->id = id;
    next->pos = pos + 1;
}

} // namespace

void step_begin_launch(struct queue *q, float *x, const struct angles *a,
                       const struct row_source *next, const struct dev_mat *w, int *ret_pos)
{
    int n = w->n_in > a->half ? w->n_in : a->half;
    struct shape s = {dim3((unsigned)((n + STEP_THREADS - 1) / STEP_THREADS)), STEP_THREADS, 0,
                      true};
    struct work_size work = {(int64_t)w->n_in * 6, 0};
    launch(q, "step_begin", s, work, step_begin_kernel, x, *a, next, *w, ret_pos);
}

void argmax_launch(struct queue *q, const float *logits, int n, struct row_source *next, int *ids,
                   int n_ids)
{
    struct shape s = {dim3(1), THREADS, 0, true};
    struct work_size work = {(int64_t)n * 4, 0};
    launch(q, "argmax", s, work, argmax_kernel, logits, n, next, ids, n_ids);
}
