/* SPDX-License-Identifier: MIT */
#include "peak.h"

#include <stddef.h>

#include "base/cpu.h"

enum { CHAINS = 12, STEPS = 200000 }; /* independent chains hide the latency of one instruction */

/* Keeps a vector alive, and opaque to the optimiser, without storing it. */
#define OPAQUE(a) __asm__ volatile("" : "+v"(a))

#ifdef KERNELS_X86

#include <immintrin.h>

#define TARGET(features) __attribute__((target(features)))

TARGET("avx512f") static double burst_f32_zmm(void)
{
    __m512 a[CHAINS], b = _mm512_set1_ps(0.5f), c = _mm512_set1_ps(0.25f);
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_ps((float)i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) a[i] = _mm512_fmadd_ps(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 16 * CHAINS * STEPS;
}

TARGET("avx2,fma") static double burst_f32_ymm(void)
{
    __m256 a[CHAINS], b = _mm256_set1_ps(0.5f), c = _mm256_set1_ps(0.25f);
    for (int i = 0; i < CHAINS; i++) a[i] = _mm256_set1_ps((float)i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) a[i] = _mm256_fmadd_ps(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 8 * CHAINS * STEPS;
}

TARGET("avx512f,avx512bf16") static double burst_bf16(void)
{
    __m512 a[CHAINS];
    __m512bh b = (__m512bh)_mm512_set1_epi16(0x3f00), c = (__m512bh)_mm512_set1_epi16(0x3e80);
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_ps((float)i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) a[i] = _mm512_dpbf16_ps(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 32 * CHAINS * STEPS;
}

TARGET("avx512f,avx512vnni") static double burst_int8(void)
{
    __m512i a[CHAINS], b = _mm512_set1_epi8(3), c = _mm512_set1_epi8(5);
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_epi32(i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) a[i] = _mm512_dpbusd_epi32(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 64 * CHAINS * STEPS;
}

#endif

/* What a compiler makes of plain C; the lanes are many enough for any vector it may use. */
static double burst_f32_portable(void)
{
    enum { LANES = 48 };
    float a[LANES];
    volatile float inputs[2] = {0.5f, 0.25f}, result;
    const float b = inputs[0], c = inputs[1];
    for (int i = 0; i < LANES; i++) a[i] = (float)i;
    for (int step = 0; step < STEPS; step++)
        for (int i = 0; i < LANES; i++) a[i] = a[i] * b + c;
    for (int i = 0; i < LANES; i++) result = a[i];
    (void)result;
    return 2.0 * LANES * STEPS;
}

burst_fn peak_f32(void)
{
#ifdef KERNELS_X86
    if (cpu_has(CPU_AVX512)) return burst_f32_zmm;
    if (cpu_has(CPU_AVX2)) return burst_f32_ymm;
#endif
    return burst_f32_portable;
}

burst_fn peak_bf16(void)
{
#ifdef KERNELS_X86
    if (cpu_has(CPU_AVX512BF16)) return burst_bf16;
#endif
    return NULL;
}

burst_fn peak_int8(void)
{
#ifdef KERNELS_X86
    if (cpu_has(CPU_AVX512VNNI)) return burst_int8;
#endif
    return NULL;
}
