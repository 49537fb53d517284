/* SPDX-License-Identifier: MIT */
#include "packed.h"

#include "port.h"

namespace
{

enum { WARPS = 16, BLOCKS_PER_SM = 2, IN_FLIGHT = 3, THREADS = 256 };
enum { MAX_EXPONENT = 90 /* of activations, either way: kernels/packed.h */ };

/* The vector in shared memory: words[8 b + g] holds inputs 32 b + 4 g … + 3 as int8, in units of
 * units[b] (the weights' 2^-SCALES_SHIFT is in it). */
struct rounded {
    int *words;   // [n_blocks * 8]
    float *units; // [n_blocks]
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
    v.x = at < n ? x[at] : 0;
    v.y = at + 1 < n ? x[at + 1] : 0;
    v.z = at + 2 < n ? x[at + 2] : 0;
    v.w = at + 3 < n ? x[at + 3] : 0;
    return v;
}

/* Four values a lane, eight lanes a block of 32. Returns the factor that the norm still owes. */
__device__ float round_vector(const struct gemv &g, int n_blocks, const struct rounded &v,
                              float *scratch)
{
    float squares = 0;
    int n_words = n_blocks * 8, padded = (n_words + WARP - 1) / WARP * WARP;
    for (int i = (int)threadIdx.x; i < padded; i += WARPS * WARP) { // whole warps together
        float4 x = load4(g.x, 4 * i, g.w.n_in);
        squares += x.x * x.x + x.y * x.y + x.z * x.z + x.w * x.w;
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
        uint32_t word = ((uint32_t)rint_s8(x.x * inverse) & 255) |
                        ((uint32_t)rint_s8(x.y * inverse) & 255) << 8 |
                        ((uint32_t)rint_s8(x.z * inverse) & 255) << 16 |
                        (uint32_t)rint_s8(x.w * inverse) << 24;
        if (i >= n_words) continue;
        v.words[i] = (int)word;
        if (i % 8 == 0) v.units[i / 8] = largest < INFINITY ? power_of_two(e - SCALES_SHIFT) : NAN;
    }
    squares = block_sum(squares, scratch); /* its barrier also makes v whole */
    return g.norm ? rsqrtf(squares / (float)g.w.n_in + g.eps) : 1.0f;
}

/* A lane's 16 bytes are inputs of outputs 4 (lane % 4) + 0 … 3; sums[k] belongs to output k of
 * these. Q8: 4 inputs of one block a warp; Q4: 8 inputs of two blocks. */
template <enum packing P>
__device__ __forceinline__ void add_words(uint4 w, const int *words, uint2 scales, float unit,
                                          float *sums)
{
    uint32_t word[4] = {w.x, w.y, w.z, w.w};
    int dots[4];
    if (P == PACKED_Q8) {
#pragma unroll
        for (int k = 0; k < 4; k++) /* w + 128 as it stands to w */
            dots[k] = __dp4a((int)(word[k] ^ 0x80808080u), words[0], 0);
    } else {
        const int minus_8 = (int)0xf8f8f8f8u; /* nibbles stand for w + 8 */
        int offset = __dp4a(minus_8, words[0], __dp4a(minus_8, words[1], 0));
#pragma unroll
        for (int k = 0; k < 4; k++)
            dots[k] = __dp4a((int)(word[k] & 0x0f0f0f0fu), words[0],
                             __dp4a((int)(word[k] >> 4 & 0x0f0f0f0fu), words[1], offset));
    }
    sums[0] += (float)dots[0] * (half_value(scales.x & 0xffff) * unit);
    sums[1] += (float)dots[1] * (half_value(scales.x >> 16) * unit);
    sums[2] += (float)dots[2] * (half_value(scales.y & 0xffff) * unit);
    sums[3] += (float)dots[3] * (half_value(scales.y >> 16) * unit);
}

/* This lane's share of a strip: 512 bytes a warp and step, IN_FLIGHT steps under way together. */
template <enum packing P>
__device__ void add_strip(const char *strip, int n_blocks, const struct rounded &v, int warp,
                          int lane, float *sums)
{
    constexpr int PER_STEP = P == PACKED_Q4 ? 2 : 1; // blocks
    constexpr int BYTES = STRIP_OUTS * BLOCK_INS / PER_STEP;
    int first = P == PACKED_Q4 ? lane / 16 : 0, n_steps = (n_blocks + PER_STEP - 1) / PER_STEP;
    int word = P == PACKED_Q4 ? lane % 16 / 4 * 2 : lane / 4;
    const char *scales = strip + (int64_t)n_blocks * BYTES + lane % 4 * 8;
    for (int step = warp; step < n_steps; step += WARPS * IN_FLIGHT) {
        uint4 w[IN_FLIGHT];
        uint2 s[IN_FLIGHT];
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) {
            int at = step + k * WARPS, b = at * PER_STEP + first;
            bool there = at < n_steps && b < n_blocks;
            w[k] = load_once(strip + (there ? (int64_t)at * 512 + lane * 16 : 0));
            s[k] = load_once8(scales + (there ? b * 2 * STRIP_OUTS : 0));
        }
#pragma unroll
        for (int k = 0; k < IN_FLIGHT; k++) {
            int b = (step + k * WARPS) * PER_STEP + first;
            if (b < n_blocks) add_words<P>(w[k], v.words + b * 8 + word, s[k], v.units[b], sums);
        }
    }
}

/* Sums of all lanes and warps of one strip: [STRIP_OUTS] for threads 0 … 15. Every thread calls. */
__device__ float gather(float *sums, float *parts, int warp, int lane)
{
#pragma unroll
    for (int k = 0; k < 4; k++)
        for (int step = 4; step < WARP; step *= 2)
            sums[k] += __shfl_xor_sync(ALL_LANES, sums[k], step);
    __syncthreads(); /* the parts before have been read */
    if (lane < 4)
#pragma unroll
        for (int k = 0; k < 4; k++) parts[warp * STRIP_OUTS + lane * 4 + k] = sums[k];
    __syncthreads();
    float sum = 0;
    if (threadIdx.x < STRIP_OUTS)
        for (int i = 0; i < WARPS; i++) sum += parts[i * STRIP_OUTS + threadIdx.x];
    return sum;
}

/* A block per strip; for GEMV_SILU_MUL per pair of strips n_out / 2 apart. Dynamic shared memory:
 * the rounded vector. */
template <enum packing P, enum gemv_then THEN>
__global__ void __launch_bounds__(WARPS *WARP, BLOCKS_PER_SM) gemv_packed(struct gemv g)
{
    constexpr int N = THEN == GEMV_SILU_MUL ? 2 : 1;
    SHARED_DYNAMIC(int, vector);
    SHARED(float, scratch, WARP);
    SHARED(float, parts, WARPS *STRIP_OUTS);
    int n_blocks = blocks_of(g.w.n_in), n_out = g.w.n_out / N, n_tasks = strips_of(n_out);
    int lane = (int)threadIdx.x % WARP, warp = (int)threadIdx.x / WARP;
    int64_t bytes = strip_bytes(P, g.w.n_in);
    struct rounded v = {vector, (float *)(vector + n_blocks * 8)};
    grid_release();
    if ((int64_t)threadIdx.x * 128 < bytes) /* weights never change: the first are on their way */
        prefetch_l2(g.w.strips + blockIdx.x * bytes + (int64_t)threadIdx.x * 128);
    grid_wait();
    float scale = round_vector(g, n_blocks, v, scratch);
    for (int task = (int)blockIdx.x; task < n_tasks; task += (int)gridDim.x) {
        float out[2] = {0, 0};
#pragma unroll
        for (int r = 0; r < N; r++) {
            float sums[4] = {0, 0, 0, 0};
            add_strip<P>(g.w.strips + (task + r * n_tasks) * bytes, n_blocks, v, warp, lane, sums);
            out[r] = gather(sums, parts, warp, lane) * scale;
        }
        int o = task * STRIP_OUTS + (int)threadIdx.x;
        if (threadIdx.x >= STRIP_OUTS || o >= n_out) continue;
        if (THEN == GEMV_STORE) g.y[o] = out[0];
        if (THEN == GEMV_ADD) g.y[o] += out[0];
        if (THEN == GEMV_SILU_MUL) g.y[o] = out[0] / (1 + expf(-out[0])) * out[1];
    }
}

__global__ void __launch_bounds__(THREADS) silu_mul32_kernel(float *y, const float *x, int n)
{
    int i = (int)(blockIdx.x * THREADS + threadIdx.x);
    grid_release();
    grid_wait();
    if (i < n) y[i] = x[i] / (1 + expf(-x[i])) * x[n + i];
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

template <enum packing P>
void launch_then(struct queue *q, const char *name, const struct shape &s, struct work_size work,
                 const struct gemv *g)
{
    if (g->then == GEMV_STORE) launch(q, name, s, work, gemv_packed<P, GEMV_STORE>, *g);
    if (g->then == GEMV_ADD) launch(q, name, s, work, gemv_packed<P, GEMV_ADD>, *g);
    if (g->then == GEMV_SILU_MUL) launch(q, name, s, work, gemv_packed<P, GEMV_SILU_MUL>, *g);
}

} // namespace

void gemv_packed_launch(struct queue *q, const char *name, const struct gemv *g)
{
    int n_tasks = strips_of(g->then == GEMV_SILU_MUL ? g->w.n_out / 2 : g->w.n_out);
    int most = BLOCKS_PER_SM * q->n_sms, n_blocks = blocks_of(g->w.n_in);
    struct shape s = {dim3((unsigned)(n_tasks < most ? n_tasks : most)), WARPS * WARP,
                      (size_t)n_blocks * (BLOCK_INS + sizeof(float)), true};
    struct work_size work = {strips_of(g->w.n_out) * strip_bytes(g->w.packing, g->w.n_in),
                             2 * (int64_t)g->w.n_out * g->w.n_in};
    if (g->w.packing == PACKED_Q8) launch_then<PACKED_Q8>(q, name, s, work, g);
    if (g->w.packing == PACKED_Q4) launch_then<PACKED_Q4>(q, name, s, work, g);
}

void silu_mul32_launch(struct queue *q, float *y, const float *x, int n)
{
    struct shape s = {dim3((unsigned)((n + THREADS - 1) / THREADS)), THREADS, 0, true};
    struct work_size work = {(int64_t)n * 12, 0};
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
