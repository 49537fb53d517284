/* SPDX-License-Identifier: MIT
 * The instructions that CUDA C++ has no words for. All inline assembly of the module is here;
 * tests/cuda/emulate.h has the same functions for the CPU. Source: PTX ISA 9.0, the section named
 * at each. */
#ifndef CUDA_PTX_H
#define CUDA_PTX_H

#include <stdint.h>

/* Two f32 to bf16, nearest even; lo in the lower half (cvt, 9.7.9.21). */
static __device__ __forceinline__ uint32_t pack_bf16(float lo, float hi)
{
    uint32_t pair;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(pair) : "f"(hi), "f"(lo));
    return pair;
}

/* 2^x with an error of some 1e-7 (ex2.approx, 9.7.3.21). */
static __device__ __forceinline__ float exp2_fast(float x)
{
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

/* d += a b for 16x8 outputs, 16 deep, over a warp; fragments as in 9.7.14.5.8 (mma.m16n8k16). With
 * g = lane / 4 and t = lane % 4: a = rows g, g+8, g, g+8 at columns 2t, 2t, 2t+8, 2t+8; b = depths
 * 2t, 2t+8 of column g; d = rows g, g, g+8, g+8 at columns 2t, 2t+1, 2t, 2t+1. */
static __device__ __forceinline__ void mma_bf16(float *d, const uint32_t *a, const uint32_t *b)
{
    asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%0, %1, %2, %3};"
        : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}

/* d = a b for 16x8 outputs, 32 deep, of 8-bit integers over a warp; fragments as in 9.7.14.5.10
 * (mma.m16n8k32): those of mma_bf16 with four neighbouring depths in place of two. */
static __device__ __forceinline__ void mma_s8(int *d, const uint32_t *a, const uint32_t *b)
{
    asm("mma.sync.aligned.m16n8k32.row.col.s32.s8.s8.s32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
        "{%8, %9}, {%10, %10, %10, %10};"
        : "=r"(d[0]), "=r"(d[1]), "=r"(d[2]), "=r"(d[3])
        : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]), "r"(0));
}

/* The half in the lower 16 bits (cvt, 9.7.9.21). */
static __device__ __forceinline__ float half_value(uint32_t bits)
{
    float x;
    asm("{ .reg .b16 h; cvt.u16.u32 h, %1; cvt.f32.f16 %0, h; }" : "=f"(x) : "r"(bits));
    return x;
}

/* To the nearest integer, even among equals, within -128 … 127; 0 for what is no number
 * (cvt, 9.7.9.21). */
static __device__ __forceinline__ int rint_s8(float x)
{
    int y;
    asm("cvt.rni.sat.s8.f32 %0, %1;" : "=r"(y) : "f"(x));
    return y;
}

/* The largest over the warp (redux.sync, 9.7.13.7). */
static __device__ __forceinline__ uint32_t warp_max(uint32_t x)
{
    return __reduce_max_sync(0xffffffffu, x);
}

static __device__ __forceinline__ uint32_t shared_address(const void *p)
{
    return (uint32_t)__cvta_generic_to_shared(p);
}

/* Four 8x8 matrices of 16 bits; lane i names the 16-byte row i % 8 of matrix i / 8
 * (ldmatrix, 9.7.14.5.15). */
static __device__ __forceinline__ void load_matrices(uint32_t *r, const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/* The same, each matrix transposed. */
static __device__ __forceinline__ void load_matrices_transposed(uint32_t *r, const void *row)
{
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
                 : "r"(shared_address(row))
                 : "memory");
}

/* 16 bytes from global to shared memory behind the thread's back; zeros when !valid
 * (cp.async, 9.7.9.25.3). */
static __device__ __forceinline__ void copy_async(void *shared, const void *global, bool valid)
{
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(shared_address(shared)),
                 "l"(global), "r"(valid ? 16 : 0)
                 : "memory");
}
static __device__ __forceinline__ void copy_async_commit(void)
{
    asm volatile("cp.async.commit_group;" ::: "memory");
}
/* Until at most `pending` groups of this thread are still under way. */
template <int pending> static __device__ __forceinline__ void copy_async_wait(void)
{
    asm volatile("cp.async.wait_group %0;" ::"n"(pending) : "memory");
}

/* 16 bytes that are read once: not kept in L1 (ld.global.nc, 9.7.9.9). Only for data no running
 * kernel writes. */
static __device__ __forceinline__ uint4 load_once(const void *p)
{
    uint4 x;
    asm volatile("ld.global.nc.L1::no_allocate.v4.u32 {%0, %1, %2, %3}, [%4];"
                 : "=r"(x.x), "=r"(x.y), "=r"(x.z), "=r"(x.w)
                 : "l"(p));
    return x;
}

/* Four and eight of them. */
static __device__ __forceinline__ uint32_t load_once4(const void *p)
{
    uint32_t x;
    asm volatile("ld.global.nc.L1::no_allocate.u32 %0, [%1];" : "=r"(x) : "l"(p));
    return x;
}
static __device__ __forceinline__ uint2 load_once8(const void *p)
{
    uint2 x;
    asm volatile("ld.global.nc.L1::no_allocate.v2.u32 {%0, %1}, [%2];"
                 : "=r"(x.x), "=r"(x.y)
                 : "l"(p));
    return x;
}

/* Asks for a line to be in L2 soon (prefetch, 9.7.9.17). */
static __device__ __forceinline__ void prefetch_l2(const void *p)
{
    asm volatile("prefetch.global.L2 [%0];" ::"l"(p));
}

/* Programmatic dependent launch (griddepcontrol, 9.7.13.13): lets the next kernel of the queue
 * begin, and waits until all that earlier kernels wrote can be read. Both are nothing before sm_90
 * and for launches without overlap. */
static __device__ __forceinline__ void grid_release(void)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}
static __device__ __forceinline__ void grid_wait(void)
{
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
#endif
}

#endif
