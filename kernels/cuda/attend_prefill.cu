/* SPDX-License-Identifier: MIT */
#include "attend.h"
#include "kv8.h"
#include "port.h"

namespace
{

enum {
    TILE_KEYS = KEYS_PER_BLOCK,
    WARP_ROWS = 16,
    WARPS = 8,
    TILE_ROWS = WARPS * WARP_ROWS,
    STAGES = 2
};

/* Where chunk c (8 elements) of row r lies in a tile of rows of D elements: the chunks of a row
 * change places so that eight neighbouring rows have any one chunk in eight different groups of
 * banks. */
template <int D> __device__ __forceinline__ int chunk_at(int r, int c)
{
    return r * D + 8 * (c ^ (D % 64 == 0 ? r & 7 : (r >> 1) & 3));
}

/* n_rows rows of D elements, `stride` apart, into a tile; rows from n_valid on become zeros. */
template <int D>
__device__ void load_tile(struct bf16 *tile, const struct bf16 *rows, int64_t stride, int n_rows,
                          int n_valid)
{
    constexpr int CHUNKS = D / 8;
    for (int i = (int)threadIdx.x; i < n_rows * CHUNKS; i += WARPS * WARP) {
        int r = i / CHUNKS, c = i % CHUNKS;
        copy_async(tile + chunk_at<D>(r, c), rows + r * stride + 8 * c, r < n_valid);
    }
}

/* One plane of 8-bit keys or values as bf16 into a tile. Rounding to bf16 adds a quarter of what
 * eight bits have cost. */
template <int D>
__device__ void widen_tile(struct bf16 *tile, const struct bf16 *plane, int n_valid)
{
    constexpr int CHUNKS = D / 8;
    for (int i = (int)threadIdx.x; i < TILE_KEYS * CHUNKS; i += WARPS * WARP) {
        int r = i / CHUNKS, c = i % CHUNKS;
        float x[8] = {0, 0, 0, 0, 0, 0, 0, 0};
        if (r < n_valid)
            kv_widen8(*(const uint2 *)((const char *)plane + r * D + 8 * c),
                      kv_scales(plane, D)[r * (D / KV_SCALED) + c / 4], x);
        uint4 pairs;
        pairs.x = pack_bf16(x[0], x[1]), pairs.y = pack_bf16(x[2], x[3]);
        pairs.z = pack_bf16(x[4], x[5]), pairs.w = pack_bf16(x[6], x[7]);
        *(uint4 *)(tile + chunk_at<D>(r, c)) = pairs;
    }
}

/* Keys and values of tile t to their stage. */
template <int D, bool Q8>
__device__ void load_keys(const struct attend_prefill &a, int batch, int kv_head, int t,
                          struct bf16 *stage)
{
    int n_valid = a.n_keys - t * TILE_KEYS;
    if constexpr (Q8) {
        const struct bf16 *block = a.table[t] + kv_head * kv_plane(true, D);
        widen_tile<D>(stage, block + a.k_offset, n_valid);
        widen_tile<D>(stage + TILE_KEYS * D, block + a.v_offset, n_valid);
    } else {
        const struct bf16 *k, *v;
        int64_t stride = D;
        if (a.table) {
            const struct bf16 *block = a.table[t] + kv_head * kv_plane(false, D);
            k = block + a.k_offset;
            v = block + a.v_offset;
        } else {
            int64_t at =
                batch * a.kv_batch + (int64_t)t * TILE_KEYS * a.kv_row + kv_head * a.kv_head;
            k = a.k + at;
            v = a.v + at;
            stride = a.kv_row;
        }
        load_tile<D>(stage, k, stride, TILE_KEYS, n_valid);
        load_tile<D>(stage + TILE_KEYS * D, v, stride, TILE_KEYS, n_valid);
    }
    copy_async_commit();
}

/* -- A warp's 16 rows -------------------------------------------------------------------------- */

/* Row g and row g + 8 of the warp's rows, with g = lane / 4: index 0 and 1 below. */
template <int D> struct rows_state {
    uint32_t q[D / 16][4]; // fragments of the query rows
    float out[D / 8][4];   // sums of values
    float max[2], sum[2];  // running, of scores in base 2; sum is this lane's share
};

template <int D>
__device__ void take_query(struct rows_state<D> *w, const struct bf16 *tile, int warp, int lane)
{
    int r = warp * WARP_ROWS + lane % 16;
#pragma unroll
    for (int k = 0; k < D / 16; k++)
        load_matrices(w->q[k], tile + chunk_at<D>(r, 2 * k + lane / 16));
}

/* scores[n] = the rows times keys 8n … 8n+7 of the tile. */
template <int D>
__device__ void score_tile(const struct rows_state<D> *w, const struct bf16 *keys, int lane,
                           float scores[TILE_KEYS / 8][4])
{
#pragma unroll
    for (int n = 0; n < TILE_KEYS / 8; n += 2) {
#pragma unroll
        for (int i = 0; i < 4; i++) scores[n][i] = scores[n + 1][i] = 0;
        int r = n * 8 + lane % 8 + lane / 16 * 8;
#pragma unroll
        for (int k = 0; k < D / 16; k++) {
            uint32_t b[4];
            load_matrices(b, keys + chunk_at<D>(r, 2 * k + lane / 8 % 2));
            mma_bf16(scores[n], w->q[k], b);
            mma_bf16(scores[n + 1], w->q[k], b + 2);
        }
    }
}

/* Keys behind what row g + 8 half may see weigh nothing. first_key: of the tile; last[half]: the
 * last one seen. */
__device__ void mask_tile(float scores[TILE_KEYS / 8][4], int first_key, const int *last, int lane)
{
#pragma unroll
    for (int n = 0; n < TILE_KEYS / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) {
            int key = first_key + n * 8 + lane % 4 * 2 + i % 2;
            if (key > last[i / 2]) scores[n][i] = -INFINITY;
        }
}

/* Scores become weights 2^(score - max); the sums so far are brought to the new maximum. */
template <int D>
__device__ void weigh_tile(struct rows_state<D> *w, float scores[TILE_KEYS / 8][4], float scale)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float max = w->max[half];
#pragma unroll
        for (int n = 0; n < TILE_KEYS / 8; n++)
            max = fmaxf(max, fmaxf(scores[n][2 * half], scores[n][2 * half + 1]) * scale);
        max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, 1));
        max = fmaxf(max, __shfl_xor_sync(ALL_LANES, max, 2));
        float keep = exp2_fast(w->max[half] - max), sum = 0;
#pragma unroll
        for (int n = 0; n < TILE_KEYS / 8; n++)
#pragma unroll
            for (int i = 2 * half; i < 2 * half + 2; i++) {
                scores[n][i] = exp2_fast(scores[n][i] * scale - max);
                sum += scores[n][i];
            }
        w->max[half] = max;
        w->sum[half] = w->sum[half] * keep + sum;
#pragma unroll
        for (int n = 0; n < D / 8; n++)
#pragma unroll
            for (int i = 2 * half; i < 2 * half + 2; i++) w->out[n][i] *= keep;
    }
}

/* out += weights, rounded to bf16, times the tile's values. */
template <int D>
__device__ void add_values(struct rows_state<D> *w, const float weights[TILE_KEYS / 8][4],
                           const struct bf16 *values, int lane)
{
#pragma unroll
    for (int k = 0; k < TILE_KEYS / 16; k++) {
        const float *left = weights[2 * k], *right = weights[2 * k + 1];
        uint32_t p[4] = {pack_bf16(left[0], left[1]), pack_bf16(left[2], left[3]),
                         pack_bf16(right[0], right[1]), pack_bf16(right[2], right[3])};
        int r = k * 16 + lane % 16;
#pragma unroll
        for (int n = 0; n < D / 8; n += 2) {
            uint32_t b[4];
            load_matrices_transposed(b, values + chunk_at<D>(r, n + lane / 16));
            mma_bf16(w->out[n], p, b);
            mma_bf16(w->out[n + 1], p, b + 2);
        }
    }
}

template <int D>
__device__ void store_rows(const struct attend_prefill &a, const struct rows_state<D> *w, int batch,
                           int head, int first_row, int lane)
{
#pragma unroll
    for (int half = 0; half < 2; half++) {
        float sum = w->sum[half];
        sum += __shfl_xor_sync(ALL_LANES, sum, 1);
        sum += __shfl_xor_sync(ALL_LANES, sum, 2);
        float share = 1 / sum;
        int row = first_row + lane / 4 + 8 * half;
        if (row >= a.n_rows) continue;
        struct bf16 *out =
            a.out + batch * a.out_batch + row * a.out_row + (int64_t)head * a.head_dim;
#pragma unroll
        for (int n = 0; n < D / 8; n++) {
            int i = n * 8 + lane % 4 * 2;
            if (i < a.head_dim) narrow(w->out[n][2 * half] * share, &out[i]);
            if (i + 1 < a.head_dim) narrow(w->out[n][2 * half + 1] * share, &out[i + 1]);
        }
    }
}

/* grid: (row tiles, heads, batch). Dynamic shared memory: STAGES tiles of keys and of values; the
 * query tile stands there first. */
template <int D, bool Q8>
__global__ void __launch_bounds__(WARPS *WARP, 1) attend_prefill_kernel(struct attend_prefill a)
{
    SHARED_DYNAMIC(struct bf16, tiles);
    constexpr int STAGE = 2 * TILE_KEYS * D;
    /* The last tiles see the most keys: they begin first. */
    int first_row = ((int)gridDim.x - 1 - (int)blockIdx.x) * TILE_ROWS;
    int head = (int)blockIdx.y, batch = (int)blockIdx.z;
    int kv_head = head / (a.n_heads / a.n_kv_heads);
    int warp = (int)threadIdx.x / WARP, lane = (int)threadIdx.x % WARP;
    int row = first_row + warp * WARP_ROWS + lane / 4; /* and row + 8 */
    int last[2];
    for (int half = 0; half < 2; half++) {
        last[half] = a.n_keys - 1;
        if (a.causal && a.first_pos + row + 8 * half < last[half])
            last[half] = a.first_pos + row + 8 * half;
    }
    int n_seen = a.n_keys;
    if (a.causal && a.first_pos + first_row + TILE_ROWS < n_seen)
        n_seen = a.first_pos + first_row + TILE_ROWS;
    int n_tiles = (n_seen + TILE_KEYS - 1) / TILE_KEYS;
    int all_seen = a.causal ? a.first_pos + first_row + warp * WARP_ROWS
                            : a.n_keys - 1; /* by each of its rows */
    if (all_seen > a.n_keys - 1) all_seen = a.n_keys - 1;

    struct rows_state<D> w;
    load_tile<D>(tiles, a.q + batch * a.q_batch + head * a.q_head + first_row * a.q_row, a.q_row,
                 TILE_ROWS, a.n_rows - first_row);
    copy_async_commit();
    copy_async_wait<0>();
    __syncthreads();
    take_query<D>(&w, tiles, warp, lane);
    __syncthreads();
#pragma unroll
    for (int n = 0; n < D / 8; n++)
#pragma unroll
        for (int i = 0; i < 4; i++) w.out[n][i] = 0;
    w.max[0] = w.max[1] = -FLT_MAX;
    w.sum[0] = w.sum[1] = 0;

    float scale = rsqrtf((float)a.head_dim) * 1.44269504f;
    load_keys<D, Q8>(a, batch, kv_head, 0, tiles);
    for (int t = 0; t < n_tiles; t++) {
        struct bf16 *stage = tiles + t % STAGES * STAGE;
        if (t + 1 < n_tiles) {
            load_keys<D, Q8>(a, batch, kv_head, t + 1, tiles + (t + 1) % STAGES * STAGE);
            copy_async_wait<1>();
        } else {
            copy_async_wait<0>();
        }
        __syncthreads();
        float scores[TILE_KEYS / 8][4];
        score_tile<D>(&w, stage, lane, scores);
        if ((t + 1) * TILE_KEYS - 1 > all_seen) mask_tile(scores, t * TILE_KEYS, last, lane);
        weigh_tile<D>(&w, scores, scale);
        add_values<D>(&w, scores, stage + TILE_KEYS * D, lane);
        __syncthreads();
    }
    store_rows<D>(a, &w, batch, head, first_row + warp * WARP_ROWS, lane);
}

template <int D>
void launch_size(struct queue *q, const struct attend_prefill *a, struct work_size work)
{
    struct shape s = {dim3((unsigned)((a->n_rows + TILE_ROWS - 1) / TILE_ROWS),
                           (unsigned)a->n_heads, (unsigned)a->n_batch),
                      WARPS * WARP, (size_t)STAGES * 2 * TILE_KEYS * D * sizeof(struct bf16),
                      false};
    if (a->is_q8)
        launch(q, "attend_prefill", s, work, attend_prefill_kernel<D, true>, *a);
    else
        launch(q, "attend_prefill", s, work, attend_prefill_kernel<D, false>, *a);
}

} // namespace

void attend_prefill_launch(struct queue *q, const struct attend_prefill *a)
{
    int d = pad_head(a->head_dim);
    int64_t pairs = (int64_t)a->n_rows * a->n_keys;
    if (a->causal)
        pairs = (int64_t)a->n_rows * a->first_pos + (int64_t)a->n_rows * (a->n_rows + 1) / 2;
    struct work_size work = {
        (int64_t)a->n_batch * 2 * d *
            (2 * (int64_t)a->n_rows * a->n_heads + 2 * (int64_t)a->n_keys * a->n_kv_heads),
        4 * pairs * a->n_heads * a->head_dim * a->n_batch};
    if (d == 32) launch_size<32>(q, a, work);
    if (d == 64) launch_size<64>(q, a, work);
    if (d == 96) launch_size<96>(q, a, work);
    if (d == 128) launch_size<128>(q, a, work);
}
