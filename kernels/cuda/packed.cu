/* SPDX-License-Identifier: MIT */
#include "packed.h"

#include "gemv_then.h"
#include "port.h"

namespace
{

enum { WARPS = 16, THREADS = 256 };
enum { MAX_EXPONENT = 90 /* of activations, either way: kernels/packed.h */ };
enum { SHARED_BYTES = 80 * 1024 /* for vectors: the smallest GPUs have 99 KiB a block */ };
enum { GROUP = 4 * WARP /* values of a vector that a warp rounds together */ };

template <bool SEVERAL> constexpr int VECTORS = SEVERAL ? (int)GEMV_MAX_VECTORS : 1;
/* Blocks that a warp has under way together: 1.5 KiB. */
template <enum packing P> constexpr int IN_FLIGHT = P == PACKED_Q8 ? 3 : 6;
/* The power of two by which a product's integers are too large: see fragments. */
template <enum packing P> constexpr int TOO_LARGE = P == PACKED_Q4 ? 4 : 0;

/* -- Vectors ----------------------------------------------------------------------------------- */

/* n vectors in shared memory: words[8 (n b + v) + k] holds inputs 32 b + 4 k … + 3 of vector v as
 * int8, in units of units[n b + v]. */
struct rounded {
    int n;
    int *words;   // [n_blocks][n][8]
    float *units; // [n_blocks][n]
};

__device__ __forceinline__ float power_of_two(int e)
{
    return __uint_as_float((uint32_t)(e + 127) << 23);
}

/* The smallest e with largest <= 127 * 2^e nearly (kernels/packed.h, block_exponent). */
__device__ __forceinline__ int exponent_of(float largest)
{
    uint32_t bits = __float_as_uint(largest * (1.0f / 127));
    int e = (int)(bits >> 23) - 127 + ((bits & 0x7fffff) != 0);
    return e < -MAX_EXPONENT ? -MAX_EXPONENT : e > MAX_EXPONENT ? MAX_EXPONENT : e;
}

__device__ __forceinline__ float4 load4(const float *x, int at, int n)
{
    float4 v;
    if (n % 4 == 0 && at < n) return *(const float4 *)(x + at);
    v.x = at < n ? x[at] : 0;
    v.y = at + 1 < n ? x[at + 1] : 0;
    v.z = at + 2 < n ? x[at + 2] : 0;
    v.w = at + 3 < n ? x[at + 3] : 0;
    return v;
}

/* Four values x (* norm) a lane, word i of vector v; eight lanes a block of 32. */
template <enum packing P>
__device__ void round_word(const struct gemv &g, const struct rounded &r, int n_blocks, int v,
                           int i, float4 x)
{
    if (g.norm) {
        float4 w = load4(g.norm, 4 * i, g.w.n_in);
        x.x *= w.x, x.y *= w.y, x.z *= w.z, x.w *= w.w;
    }
    float sum = fabsf(x.x) + fabsf(x.y) + fabsf(x.z) + fabsf(x.w);
    float largest = fmaxf(fmaxf(fabsf(x.x), fabsf(x.y)), fmaxf(fabsf(x.z), fabsf(x.w)));
    if (!(sum < INFINITY)) largest = INFINITY; /* fmaxf drops what is no number */
    for (int step = 1; step < 8; step *= 2)
        largest = fmaxf(largest, __shfl_xor_sync(ALL_LANES, largest, step));
    int e = exponent_of(largest);
    float inverse = power_of_two(-e);
    uint32_t word =
        ((uint32_t)rint_s8(x.x * inverse) & 255) | ((uint32_t)rint_s8(x.y * inverse) & 255) << 8 |
        ((uint32_t)rint_s8(x.z * inverse) & 255) << 16 | (uint32_t)rint_s8(x.w * inverse) << 24;
    if (i >= n_blocks * 8) return;
    int at = i / 8 * r.n + v;
    r.words[8 * at + i % 8] = (int)word;
    if (i % 8 == 0)
        r.units[at] = largest < INFINITY ? power_of_two(e - SCALES_SHIFT - TOO_LARGE<P>) : NAN;
}

/* All vectors: a warp takes GROUP values at a time, and for a norm leaves the sum of their squares
 * in squares[v * n_groups + group]. */
template <enum packing P, bool SEVERAL>
__device__ void round_vectors(const struct gemv &g, const struct rounded &r, int n_blocks,
                              int n_groups, float *squares, int warp, int lane)
{
    enum { TOGETHER = 4 }; /* loads under way */
    int n = r.n * n_groups;
    for (int first = warp; first < n; first += WARPS * TOGETHER) {
        float4 x[TOGETHER];
#pragma unroll
        for (int k = 0; k < TOGETHER; k++) {
            int at = first + k * WARPS, v = SEVERAL ? at / n_groups : 0;
            int i = (at - v * n_groups) * WARP + lane;
            x[k] = load4(g.x + (int64_t)v * g.w.n_in, at < n ? 4 * i : g.w.n_in, g.w.n_in);
        }
#pragma unroll
        for (int k = 0; k < TOGETHER; k++) {
            int at = first + k * WARPS, v = SEVERAL ? at / n_groups : 0;
            int i = (at - v * n_groups) * WARP + lane;
            if (at >= n) break;
            float4 y = x[k];
            if (g.norm) {
                float own = mul_add(y.w, y.w, mul_add(y.z, y.z, mul_add(y.y, y.y, y.x * y.x)));
                float sum = warp_sum(own);
                if (lane == 0) squares[at] = sum;
            }
            round_word<P>(g, r, n_blocks, v, i, y);
        }
    }
}

/* The factor that the norm still owes vector v, for a warp. */
__device__ float norm_factor(const struct gemv &g, const float *squares, int n_groups, int lane)
{
    float sum = 0;
    for (int i = lane; i < n_groups; i += WARP) sum += squares[i];
    return rsqrtf(warp_sum(sum) / (float)g.w.n_in + g.eps);
}

/* -- Strips ------------------------------------------------------------------------------------ */

/* A lane's part of a block, as it is stored: with g = lane / 4 and t = lane % 4 the inputs of words
 * 2 t and 2 t + 1, of outputs 2 g and 2 g + 1; and these outputs' scales. */
template <enum packing P> struct part {
    uint2 w[P == PACKED_Q8 ? 2 : 1];
    uint32_t scales;
};

template <enum packing P>
__device__ __forceinline__ void load_part(struct part<P> *ret, const char *block,
                                          const char *scales, int lane)
{
    constexpr int STEP = P == PACKED_Q8 ? 2 : 1, WORD = STRIP_OUTS * 4; // bytes of a word's outputs
    const char *from = block + lane % 4 * STEP * WORD + lane / 4 * 8;
#pragma unroll
    for (int i = 0; i < STEP; i++) ret->w[i] = load_once8(from + i * WORD);
    ret->scales = load_once4(scales + lane / 4 * 4);
}

/* As mma_s8 wants it, its rows being outputs 0, 2 … 14, 1, 3 … 15 and its depths the even words,
 * then the odd ones. Weights of 8 bits are stored as w + 128. Those of 4 bits as w + 8: in the
 * upper half of a byte, with its first bit turned, that is 16 w. */
template <enum packing P>
__device__ __forceinline__ void fragments(const struct part<P> &p, uint32_t *a)
{
    if constexpr (P == PACKED_Q8) {
        a[0] = p.w[0].x ^ 0x80808080u, a[1] = p.w[0].y ^ 0x80808080u;
        a[2] = p.w[1].x ^ 0x80808080u, a[3] = p.w[1].y ^ 0x80808080u;
    } else {
        a[0] = (p.w[0].x << 4 & 0xf0f0f0f0u) ^ 0x80808080u;
        a[1] = (p.w[0].y << 4 & 0xf0f0f0f0u) ^ 0x80808080u;
        a[2] = (p.w[0].x & 0xf0f0f0f0u) ^ 0x80808080u;
        a[3] = (p.w[0].y & 0xf0f0f0f0u) ^ 0x80808080u;
    }
}

/* Where a lane finds what belongs to its columns of a product, block 0: the words of vector g, and
 * the units of vectors 2 t and 2 t + 1. Columns behind the last vector repeat it. */
struct columns {
    const int *words;
    const float *units[2];
};

__device__ __forceinline__ struct columns columns_of(const struct rounded &v, int lane)
{
    int g = lane / 4, t = lane % 4, last = v.n - 1;
    struct columns c = {
        v.words + 8 * (g < last ? g : last) + 2 * t,
        {v.units + (2 * t < last ? 2 * t : last), v.units + (2 * t + 1 < last ? 2 * t + 1 : last)}};
    return c;
}

/* A warp's blocks of a strip, every WARPS-th. sums[2 c + o] of a lane belongs to output 2 g + o and
 * vector 2 t + c; of one vector every column is the same. */
template <enum packing P, bool SEVERAL>
__device__ void add_strip(const char *strip, int n_blocks, const struct rounded &v, int warp,
                          int lane, float *sums)
{
    constexpr int BYTES = STRIP_OUTS * BLOCK_INS / (P == PACKED_Q4 ? 2 : 1);
    constexpr int DEPTH = IN_FLIGHT<P>, COLUMNS = SEVERAL ? 2 : 1;
    const char *scales = strip + (int64_t)n_blocks * BYTES;
    struct columns column = columns_of(v, lane);
    for (int first = warp; first < n_blocks; first += WARPS * DEPTH) {
        struct part<P> parts[DEPTH];
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            int b = first + k * WARPS < n_blocks ? first + k * WARPS : first;
            load_part<P>(&parts[k], strip + (int64_t)b * BYTES, scales + b * 2 * STRIP_OUTS, lane);
        }
#pragma unroll
        for (int k = 0; k < DEPTH; k++) {
            int b = first + k * WARPS, dots[4];
            uint32_t a[4], x[2];
            if (b >= n_blocks) break;
            fragments<P>(parts[k], a);
            uint2 words = *(const uint2 *)(column.words + 8 * b * v.n);
            x[0] = words.x, x[1] = words.y;
            mma_s8(dots, a, x);
#pragma unroll
            for (int c = 0; c < COLUMNS; c++) {
                float unit = column.units[c][b * v.n];
                sums[2 * c] = mul_add((float)dots[c], half_value(parts[k].scales & 0xffff) * unit,
                                      sums[2 * c]);
                sums[2 * c + 1] = mul_add(
                    (float)dots[2 + c], half_value(parts[k].scales >> 16) * unit, sums[2 * c + 1]);
            }
        }
    }
}

/* Sums over the warps, for thread 16 v + o: of output o and vector v. Every thread calls.
 * shared: [WARPS][N][STRIP_OUTS] */
template <bool SEVERAL>
__device__ float gather(const float *sums, float *shared, int warp, int lane)
{
    constexpr int N = VECTORS<SEVERAL>, TILE = N * STRIP_OUTS;
    float *own = shared + warp * TILE + lane / 4 * 2;
    int t = lane % 4;
    __syncthreads(); /* the parts before have been read */
    if (SEVERAL || t == 0) {
#pragma unroll
        for (int c = 0; c < (SEVERAL ? 2 : 1); c++) {
            own[(2 * t + c) * STRIP_OUTS] = sums[2 * c];
            own[(2 * t + c) * STRIP_OUTS + 1] = sums[2 * c + 1];
        }
    }
    __syncthreads();
    float sum = 0;
    if (threadIdx.x < TILE)
        for (int i = 0; i < WARPS; i++) sum += shared[i * TILE + (int)threadIdx.x];
    return sum;
}

/* -- The product ------------------------------------------------------------------------------- */

/* A block per strip; for GEMV_SILU_MUL per pair of strips n_out / 2 apart. Dynamic shared memory:
 * the rounded vectors, the squares of their groups. */
template <enum packing P, enum gemv_then THEN, bool SEVERAL>
__global__ void __launch_bounds__(WARPS *WARP, SEVERAL ? 1 : 2) gemv_packed(struct gemv g)
{
    constexpr int R = THEN == GEMV_SILU_MUL ? 2 : 1, N = VECTORS<SEVERAL>;
    SHARED_DYNAMIC(int, vectors);
    SHARED(float, shared, WARPS *N *STRIP_OUTS);
    SHARED(float, factors, N);
    int n_blocks = blocks_of(g.w.n_in), n_out = g.w.n_out / R, n_tasks = strips_of(n_out);
    int n_groups = (n_blocks * BLOCK_INS + GROUP - 1) / GROUP;
    int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
    int64_t bytes = strip_bytes(P, g.w.n_in);
    struct rounded v = {SEVERAL ? g.n : 1, vectors, nullptr};
    v.units = (float *)(vectors + v.n * n_blocks * 8);
    float *squares = v.units + v.n * n_blocks;
    grid_release();
    if ((int64_t)threadIdx.x * 128 < bytes) /* weights never change: the first are on their way */
        prefetch_l2(g.w.strips + blockIdx.x * bytes + (int64_t)threadIdx.x * 128);
    grid_wait();
    round_vectors<P, SEVERAL>(g, v, n_blocks, n_groups, squares, warp, lane);
    __syncthreads();
    if (warp < v.n) {
        float owed = g.norm ? norm_factor(g, squares + warp * n_groups, n_groups, lane) : 1.0f;
        if (lane == 0) factors[warp] = owed; /* read behind the barriers of gather */
    }
    for (int task = (int)blockIdx.x; task < n_tasks; task += (int)gridDim.x) {
        float out[2] = {0, 0};
#pragma unroll
        for (int r = 0; r < R; r++) {
            float sums[4] = {0, 0, 0, 0};
            add_strip<P, SEVERAL>(g.w.strips + (task + r * n_tasks) * bytes, n_blocks, v, warp,
                                  lane, sums);
            out[r] = gather<SEVERAL>(sums, shared, warp, lane);
        }
        int of = (int)threadIdx.x / STRIP_OUTS,
            o = task * STRIP_OUTS + (int)threadIdx.x % STRIP_OUTS;
        if (of < v.n && o < n_out) store_product<THEN>(g, of, o, out[0], out[1], factors[of]);
    }
}

/* grid: (columns, rows) */
__global__ void __launch_bounds__(THREADS) silu_mul32_kernel(float *y, const float *x, int n)
{
    int i = (int)(blockIdx.x * THREADS + threadIdx.x);
    const float *gate = x + (int64_t)blockIdx.y * 2 * n;
    grid_release();
    grid_wait();
    if (i < n) y[(int64_t)blockIdx.y * n + i] = silu(gate[i]) * gate[n + i];
}

/* A thread per 16 bytes: 4 (Q4: 8) inputs of four outputs. grid: (block runs, strips) */
template <enum packing P>
__global__ void __launch_bounds__(THREADS)
    unpack_kernel(struct bf16 *y, struct dev_mat w, int first, int n_out)
{
    constexpr int RUNS = P == PACKED_Q4 ? 16 : 32; // of 16 bytes in a block
    int n_blocks = blocks_of(w.n_in), i = (int)(blockIdx.x * THREADS + threadIdx.x);
    if (i >= n_blocks * RUNS) return;
    int b = i / RUNS, run = i % RUNS, o = 4 * (run % 4),
        in = b * BLOCK_INS + run / 4 * (P == PACKED_Q4 ? 8 : 4);
    const char *strip = w.strips + (first / STRIP_OUTS + (int)blockIdx.y) * strip_bytes(P, w.n_in);
    uint4 bytes = load_once(strip + (int64_t)i * 16);
    uint2 s = load_once8(strip + (int64_t)n_blocks * block_bytes(P) + (b * STRIP_OUTS + o) * 2);
    uint32_t word[4] = {bytes.x, bytes.y, bytes.z, bytes.w};
    uint32_t half[4] = {s.x & 0xffff, s.x >> 16, s.y & 0xffff, s.y >> 16};
#pragma unroll
    for (int k = 0; k < 4; k++) {
        int out = (int)blockIdx.y * STRIP_OUTS + o + k;
        if (out >= n_out) continue;
        float scale = half_value(half[k]) * (1.0f / (1 << SCALES_SHIFT)), x[8];
#pragma unroll
        for (int e = 0; e < 4; e++) {
            int byte = (int)(word[k] >> 8 * e & 255);
            x[e] = (float)(P == PACKED_Q4 ? (byte & 15) - 8 : byte - 128) * scale;
            x[4 + e] = (float)((byte >> 4) - 8) * scale;
        }
        uint32_t *to = (uint32_t *)(y + out * w.ld + in);
#pragma unroll
        for (int e = 0; e < (P == PACKED_Q4 ? 4 : 2); e++)
            to[e] = pack_bf16(x[2 * e], x[2 * e + 1]);
    }
}

/* Words, units and squares of n vectors in shared memory. */
size_t vectors_bytes(int n_in, int n)
{
    int n_blocks = blocks_of(n_in), n_groups = (n_blocks * BLOCK_INS + GROUP - 1) / GROUP;
    return (size_t)n * (size_t)(n_blocks * 9 + n_groups) * sizeof(float);
}

template <enum packing P, bool SEVERAL>
void launch_then(struct queue *q, const char *name, const struct gemv *g)
{
    int n_tasks = strips_of(g->then == GEMV_SILU_MUL ? g->w.n_out / 2 : g->w.n_out);
    int most = (SEVERAL ? 1 : 2) * q->n_sms;
    struct shape s = {dim3((unsigned)(n_tasks < most ? n_tasks : most)), WARPS * WARP,
                      vectors_bytes(g->w.n_in, g->n), true};
    struct work_size work = {strips_of(g->w.n_out) * strip_bytes(P, g->w.n_in),
                             2 * (int64_t)g->w.n_out * g->w.n_in * g->n};
    if (g->then == GEMV_STORE) launch(q, name, s, work, gemv_packed<P, GEMV_STORE, SEVERAL>, *g);
    if (g->then == GEMV_ADD) launch(q, name, s, work, gemv_packed<P, GEMV_ADD, SEVERAL>, *g);
    if (g->then == GEMV_SILU_MUL)
        launch(q, name, s, work, gemv_packed<P, GEMV_SILU_MUL, SEVERAL>, *g);
}

template <enum packing P>
void launch_packed(struct queue *q, const char *name, const struct gemv *g)
{
    if (g->n == 1)
        launch_then<P, false>(q, name, g);
    else
        launch_then<P, true>(q, name, g);
}

} // namespace

bool gemv_packed_fits(int n_in, int n) { return vectors_bytes(n_in, n) <= SHARED_BYTES; }

void gemv_packed_launch(struct queue *q, const char *name, const struct gemv *g)
{
    if (g->w.packing == PACKED_Q8) launch_packed<PACKED_Q8>(q, name, g);
    if (g->w.packing == PACKED_Q4) launch_packed<PACKED_Q4>(q, name, g);
}

void silu_mul32_launch(struct queue *q, float *y, const float *x, int n_rows, int n)
{
    struct shape s = {dim3((unsigned)((n + THREADS - 1) / THREADS), (unsigned)n_rows), THREADS, 0,
                      true};
    struct work_size work = {(int64_t)n_rows * n * 12, 0};
    launch(q, "silu_mul32", s, work, silu_mul32_kernel, y, x, n);
}

void unpack_launch(struct queue *q, struct bf16 *y, const struct dev_mat *w, int first, int n_out)
{
    int runs = blocks_of(w->n_in) * block_bytes(w->packing) / 16;
    struct shape s = {dim3((unsigned)((runs + THREADS - 1) / THREADS), (unsigned)strips_of(n_out)),
                      THREADS, 0, false};
    struct work_size work = {
        strips_of(n_out) * strip_bytes(w->packing, w->n_in) + n_out * w->ld * 2, 0};
    if (w->packing == PACKED_Q8)
        launch(q, "unpack", s, work, unpack_kernel<PACKED_Q8>, y, *w, first, n_out);
    if (w->packing == PACKED_Q4)
        launch(q, "unpack", s, work, unpack_kernel<PACKED_Q4>, y, *w, first, n_out);
}
