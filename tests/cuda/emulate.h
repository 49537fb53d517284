/* SPDX-License-Identifier: MIT
 * The .cu files on the CPU: the threads of a block are fibres, run in an order shuffled by a seed
 * between two meetings (barriers, shuffles, matrix fragments). Blocks run one after the other,
 * shuffled too.
 *
 * What it finds beside wrong numbers
 * - barriers and warp operations that not all threads reach (it stops and says which);
 * - missing barriers: the order of threads differs from seed to seed, and shared memory begins as
 * NaN;
 * - copies to shared memory that are used before they were waited for: they happen only at the
 * wait;
 * - reads and writes outside shared or device memory, under the address sanitizer: every array is
 * its own allocation. What it cannot find: races between blocks, memory ordering, speed. */
#ifndef EMULATE_H
#define EMULATE_H

#include <functional>
#include <stdint.h>
#include <string.h>
#include <tuple>

#undef __global__
#undef __device__
#undef __forceinline__
#undef __launch_bounds__
#define __global__
#define __device__
#define __forceinline__ inline
#define __launch_bounds__(...)

namespace emulate
{

struct index3 {
    unsigned x, y, z;
};

/* Of the fibre that runs. */
extern index3 thread_index, block_index, block_dim, grid_dim;

void barrier();
/* Lanes of a warp meet: each brings a slot, and once all 32 are there meet(slots) is called once.
 * Every lane must come with the same `meet`. */
typedef void (*meeting)(void *const *slots);
void warp_meet(meeting meet, void *slot);

/* An array of the block in shared memory; `place` names its declaration. Filled with NaN when the
 * block begins. */
void *shared_array(const void *place, size_t bytes);
void *dynamic_shared();

void copy_later(void *to, const void *from, size_t n_bytes, bool valid);
void copy_commit();
void copy_wait(int pending);

/* What a stream is asked to do: later, when something waits for it; or a part of the graph that is
 * being captured. emulate_runtime.cpp */
void do_step(void *stream, std::function<void()> step);
bool is_capturing();

/* Queues a grid. */
void launch_grid(struct queue *q, const char *name, const struct shape &s,
                 std::function<void()> thread);

/* -- Warp operations --------------------------------------------------------------------------- */

template <typename T> struct shuffle_slot {
    T value, result;
    int step;
};

template <typename T> static void meet_shuffle(void *const *slots)
{
    for (int lane = 0; lane < 32; lane++) {
        shuffle_slot<T> *own = (shuffle_slot<T> *)slots[lane];
        own->result = ((shuffle_slot<T> *)slots[lane ^ own->step])->value;
    }
}

/* port.h's warp_sum as one meeting: the same sums in the same order, in a fifth of the time. */
struct sum_slot {
    float value;
};
void meet_sum(void *const *slots);

struct max_slot {
    uint32_t value;
};
void meet_max(void *const *slots);

struct mma_slot {
    float *d;
    const uint32_t *a, *b;
};
void meet_mma(void *const *slots);

struct mma8_slot {
    int *d;
    const uint32_t *a, *b;
};
void meet_mma8(void *const *slots);

struct matrices_slot {
    uint32_t *r;
    const void *row;
};
void meet_matrices(void *const *slots);
void meet_matrices_transposed(void *const *slots);

} // namespace emulate

#define threadIdx emulate::thread_index
#define blockIdx emulate::block_index
#define blockDim emulate::block_dim
#define gridDim emulate::grid_dim

#define SHARED(type, name, count)                                                                  \
    static const char name##_place = 0;                                                            \
    type *name = (type *)emulate::shared_array(&name##_place, sizeof(type) * (size_t)(count))
#define SHARED_DYNAMIC(type, name) type *name = (type *)emulate::dynamic_shared()

template <typename... Params, typename... Args>
static void launch(struct queue *q, const char *name, const struct shape &s, struct work_size,
                   void (*kernel)(Params...), Args... args)
{
    std::tuple<Params...> kept(static_cast<Params>(args)...);
    emulate::launch_grid(q, name, s, [kernel, kept] { std::apply(kernel, kept); });
}

static inline void __syncthreads() { emulate::barrier(); }
static inline void __threadfence() {}

template <typename T> static inline T __shfl_xor_sync(unsigned, T value, int step)
{
    emulate::shuffle_slot<T> slot = {value, value, step};
    emulate::warp_meet(emulate::meet_shuffle<T>, &slot);
    return slot.result;
}

static inline float warp_sum(float x)
{
    emulate::sum_slot slot = {x};
    emulate::warp_meet(emulate::meet_sum, &slot);
    return slot.value;
}

template <typename T> static inline T atomicAdd(T *p, T value)
{
    T before = *p;
    *p = before + value;
    return before;
}

static inline float __uint_as_float(uint32_t bits)
{
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}
static inline uint32_t __float_as_uint(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return bits;
}
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }

/* -- The functions of ptx.h
 * ------------------------------------------------------------------------- */

static inline uint32_t bf16_bits(float x)
{
    uint32_t bits = __float_as_uint(x);
    if (x != x) return 0x7fff;
    return (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
}
static inline uint32_t pack_bf16(float lo, float hi) { return bf16_bits(hi) << 16 | bf16_bits(lo); }
static inline float exp2_fast(float x) { return exp2f(x); }

static inline float half_value(uint32_t bits)
{
    int exponent = (int)(bits >> 10 & 31);
    float fraction = (float)(bits & 1023), x = fraction * 0x1p-24f;
    if (exponent == 31) x = fraction > 0 ? NAN : INFINITY;
    if (exponent > 0 && exponent < 31) x = ldexpf(1 + fraction * 0x1p-10f, exponent - 15);
    return bits >> 15 & 1 ? -x : x;
}

static inline int rint_s8(float x)
{
    float y = nearbyintf(x);
    return x != x ? 0 : y < -128 ? -128 : y > 127 ? 127 : (int)y;
}

static inline uint32_t warp_max(uint32_t x)
{
    emulate::max_slot slot = {x};
    emulate::warp_meet(emulate::meet_max, &slot);
    return slot.value;
}

static inline void mma_bf16(float *d, const uint32_t *a, const uint32_t *b)
{
    emulate::mma_slot slot = {d, a, b};
    emulate::warp_meet(emulate::meet_mma, &slot);
}
static inline void mma_s8(int *d, const uint32_t *a, const uint32_t *b)
{
    emulate::mma8_slot slot = {d, a, b};
    emulate::warp_meet(emulate::meet_mma8, &slot);
}
static inline void load_matrices(uint32_t *r, const void *row)
{
    emulate::matrices_slot slot = {r, row};
    emulate::warp_meet(emulate::meet_matrices, &slot);
}
static inline void load_matrices_transposed(uint32_t *r, const void *row)
{
    emulate::matrices_slot slot = {r, row};
    emulate::warp_meet(emulate::meet_matrices_transposed, &slot);
}
static inline void copy_async(void *shared, const void *global, bool valid)
{
    emulate::copy_later(shared, global, 16, valid);
}
static inline void copy_async_commit() { emulate::copy_commit(); }
template <int pending> static inline void copy_async_wait() { emulate::copy_wait(pending); }

static inline uint4 load_once(const void *p)
{
    uint4 x;
    memcpy(&x, __builtin_assume_aligned(p, 16), sizeof x);
    return x;
}
static inline uint32_t load_once4(const void *p)
{
    uint32_t x;
    memcpy(&x, __builtin_assume_aligned(p, 4), sizeof x);
    return x;
}
static inline uint2 load_once8(const void *p)
{
    uint2 x;
    memcpy(&x, __builtin_assume_aligned(p, 8), sizeof x);
    return x;
}
static inline void prefetch_l2(const void *) {}
static inline void grid_release() {}
static inline void grid_wait() {}

#endif
