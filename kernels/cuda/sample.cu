/* SPDX-License-Identifier: MIT */
#include "sample.h"

#include "port.h"

namespace
{

enum { THREADS = 1024, STEP_THREADS = 256 };

/* grid: (columns, rows) */
__global__ void __launch_bounds__(STEP_THREADS) step_begin_kernel(struct step_begin a)
{
    grid_release();
    int i = (int)(blockIdx.x * STEP_THREADS + threadIdx.x), row = (int)blockIdx.y;
    struct step_row from = a.rows[row];
    const float *inv_freq = from.rope_factors ? a.inv_freq[1] : a.inv_freq[0];
    int id = from.id < 0 ? 0 : from.id; /* behind a step that chose nothing: its result is never
                                           looked at */
    if (i < a.embed.n_in)
        a.x[(int64_t)row * a.embed.n_in + i] = widen(a.embed.data[id * a.embed.ld + i]);
    if (i < a.half) {
        float angle = (float)from.pos * inv_freq[i];
        a.cos[row * a.half + i] = cosf(angle) * a.magnitude;
        a.sin[row * a.half + i] = sinf(angle) * a.magnitude;
    }
    if (i == 0) a.pos[row] = from.pos;
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

/* What the block's threads share: sums, and the best of each warp. */
struct block_scratch {
    struct best best[THREADS / WARP];
    uint64_t sums[THREADS / WARP][3];
};

/* Where the block's row begins in arrays of all. */
__device__ __forceinline__ int row_begin(const struct choose &c)
{
    return (int)blockIdx.x * c.n_vocab;
}

/* -1 where nothing can be chosen, else the likeliest, with its value; for every thread. */
__device__ struct best block_best(const struct choose &c, float penalty,
                                  struct block_scratch *scratch)
{
    int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    struct best b = {-INFINITY, c.n_vocab};
    for (int i = (int)threadIdx.x; i < c.n_vocab; i += THREADS) {
        int at = row_begin(c) + i;
        bool is_seen = penalty != 1 && c.seen[at];
        struct best here = {draw_penalised(c.logits[at], is_seen, penalty), i};
        if (better(here, b)) b = here;
    }
    b = warp_best(b);
    if (lane == 0) scratch->best[warp] = b;
    __syncthreads();
    b = warp_best(scratch->best[lane]);
    if (isnan(b.value) || isinf(b.value)) b.at = -1;
    return b;
}

/* Three sums over the block, for every thread. */
__device__ void block_sums(uint64_t *x, struct block_scratch *scratch)
{
    int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    __syncthreads(); /* the sums before have been read */
    for (int k = 0; k < 3; k++) {
        for (int step = WARP / 2; step > 0; step /= 2)
            x[k] += __shfl_xor_sync(ALL_LANES, x[k], step);
        if (lane == 0) scratch->sums[warp][k] = x[k];
    }
    __syncthreads();
    for (int k = 0; k < 3; k++) {
        x[k] = 0;
        for (int i = 0; i < THREADS / WARP; i++) x[k] += scratch->sums[i][k];
    }
}

/* of(i) over all tokens. */
template <typename Of>
__device__ uint64_t total_of(int n, const Of &of, struct block_scratch *scratch)
{
    uint64_t sums[3] = {0, 0, 0};
    for (int i = (int)threadIdx.x; i < n; i += THREADS) sums[0] += of(i);
    block_sums(sums, scratch);
    return sums[0];
}

/* The largest m of lo … hi-1 whose sum of below(i, m) over all tokens is at most `target`. That sum
 * grows with m, is 0 at lo and beyond `target` at hi. Every pass looks at three places. */
template <typename Below>
__device__ uint64_t search(uint64_t lo, uint64_t hi, uint64_t target, int n, const Below &below,
                           uint64_t *ret_sum, struct block_scratch *scratch)
{
    uint64_t sum = 0;
    while (hi - lo > 1) {
        uint64_t at[3], sums[3] = {0, 0, 0};
        for (int k = 0; k < 3; k++) at[k] = lo + (hi - lo) * (uint64_t)(k + 1) / 4;
        for (int i = (int)threadIdx.x; i < n; i += THREADS)
            for (int k = 0; k < 3; k++) sums[k] += below(i, at[k]);
        block_sums(sums, scratch);
        for (int k = 2; k >= 0; k--)
            if (sums[k] > target) hi = at[k];
        for (int k = 0; k < 3; k++)
            if (sums[k] <= target) lo = at[k], sum = sums[k];
    }
    *ret_sum = sum;
    return lo;
}

/* The tokens in ascending order, equal ones by id, lie one behind the other on a line, each as long
 * as its weight. What top-k, top-p and min-p remove is the line's beginning, and the draw is a
 * point behind it; so all that is searched are points of the line. */
__device__ int draw_token(const struct choose &c, const struct draw &d, float top, double random,
                          struct block_scratch *scratch)
{
    const uint64_t end = (uint64_t)1 << 32; /* of keys */
    uint32_t *keys = c.keys + row_begin(c);
    uint64_t *weights = c.weights + row_begin(c);
    int n = c.n_vocab;
    uint64_t total, removed = 0, below, key, weight;
    auto weight_below = [=](int i, uint64_t m) { return keys[i] < m ? weights[i] : (uint64_t)0; };
    for (int i = (int)threadIdx.x; i < n; i += THREADS) {
        int at = row_begin(c) + i;
        bool is_seen = d.repetition_penalty != 1 && c.seen[at];
        float value = draw_penalised(c.logits[at], is_seen, d.repetition_penalty) / d.temperature;
        keys[i] = draw_key(value);
        weights[i] = draw_weight(value, top);
    }
    total = total_of(
        n, [=](int i) { return weights[i]; }, scratch);
    if (d.top_k > 0 && d.top_k < n) {
        auto count_below = [=](int i, uint64_t m) { return (uint64_t)(keys[i] < m); };
        key = search(0, end, (uint64_t)(n - d.top_k), n, count_below, &below, scratch);
        removed = total_of(
            n, [=](int i) { return weight_below(i, key); }, scratch);
    }
    if (d.top_p < 1) {
        uint64_t point = removed + draw_share(1.0 - (double)d.top_p, total - removed);
        key = search(0, end, point, n, weight_below, &below, scratch);
        weight = draw_weight(draw_value((uint32_t)key), top);
        removed = below + (point - below) / weight * weight; /* of equal ones, those before */
    }
    if (d.min_p > 0) {
        uint64_t least = draw_least(d.min_p);
        uint64_t few = total_of(
            n, [=](int i) { return weights[i] < least ? weights[i] : (uint64_t)0; }, scratch);
        if (few > removed) removed = few;
    }
    uint64_t point = total - 1 - draw_share(random, total - removed);
    key = search(0, end, point, n, weight_below, &below, scratch);
    weight = draw_weight(draw_value((uint32_t)key), top);
    auto same_below = [=](int i, uint64_t m) {
        return (uint64_t)(keys[i] == key && (uint64_t)i < m);
    };
    return (int)search(0, (uint64_t)n, (point - below) / weight, n, same_below, &below, scratch);
}

/* A block per row. */
__global__ void __launch_bounds__(THREADS) choose_kernel(struct choose c)
{
    SHARED(struct block_scratch, scratch, 1);
    grid_release();
    grid_wait();
    int row = (int)blockIdx.x;
    struct draw d = c.draw[row];
    struct best b = block_best(c, d.repetition_penalty, scratch);
    int id = b.at;
    if (id >= 0 && d.temperature != 0) {
        float top = b.value / d.temperature;
        double random = draw_random(d.random);
        if (!isinf(top)) id = draw_token(c, d, top, random, scratch);
    }
    __syncthreads(); /* all have read what changes now */
    if (threadIdx.x != 0) return;
    int pos = c.rows[row].pos;
    c.ids[row * c.n_ids + pos % c.n_ids] = id;
    c.rows[row].id = id;
    c.rows[row].pos = pos + 1;
    if (id < 0) return;
    if (d.repetition_penalty != 1) c.seen[row_begin(c) + id] = 1;
    if (d.temperature != 0) draw_random(c.draw[row].random); /* as above, without keeping it */
}

} // namespace

void step_begin_launch(struct queue *q, const struct step_begin *a)
{
    int n = a->embed.n_in > a->half ? a->embed.n_in : a->half;
    /* The first of a graph: there is no launch before it to overlap with. */
    struct shape s = {dim3((unsigned)((n + STEP_THREADS - 1) / STEP_THREADS), (unsigned)a->n),
                      STEP_THREADS, 0, false};
    struct work_size work = {(int64_t)a->n * a->embed.n_in * 6, 0};
    launch(q, "step_begin", s, work, step_begin_kernel, *a);
}

void choose_launch(struct queue *q, const struct choose *c)
{
    struct shape s = {dim3((unsigned)c->n), THREADS, 0, true};
    struct work_size work = {(int64_t)c->n * c->n_vocab * 4, 0};
    launch(q, "choose", s, work, choose_kernel, *c);
}
