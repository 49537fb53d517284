/* SPDX-License-Identifier: MIT */
#include "peak.h"

#include <stddef.h>

#include "base/cpu.h"

enum { STEPS = 200000 };

#define TARGET(features) __attribute__((target(features)))

#ifdef KERNELS_X86

#include <immintrin.h>

#include "x86/amx_tiles.h"

/* Independent ones, which hide the latency of an instruction; that of bf16 pairs is longer. */
enum { CHAINS = 12, PAIR_CHAINS = 14 };

/* Keeps a vector alive, and opaque to the optimiser, without storing it. */
#define OPAQUE(a) __asm__ volatile("" : "+v"(a))

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
    __m512 a[PAIR_CHAINS];
    __m512bh b = (__m512bh)_mm512_set1_epi16(0x3f00), c = (__m512bh)_mm512_set1_epi16(0x3e80);
    for (int i = 0; i < PAIR_CHAINS; i++) a[i] = _mm512_set1_ps((float)i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 14
        for (int i = 0; i < PAIR_CHAINS; i++) a[i] = _mm512_dpbf16_ps(a[i], b, c);
    for (int i = 0; i < PAIR_CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 32 * PAIR_CHAINS * STEPS;
}

TARGET("avx512f,avx512vnni") static double burst_int8_zmm(void)
{
    __m512i a[CHAINS], b = _mm512_set1_epi8(3), c = _mm512_set1_epi8(5);
    for (int i = 0; i < CHAINS; i++) a[i] = _mm512_set1_epi32(i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) a[i] = _mm512_dpbusd_epi32(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 64 * CHAINS * STEPS;
}

TARGET("avx2,avxvnni") static double burst_int8_ymm(void)
{
    __m256i a[CHAINS], b = _mm256_set1_epi8(3), c = _mm256_set1_epi8(5);
    for (int i = 0; i < CHAINS; i++) a[i] = _mm256_set1_epi32(i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 12
        for (int i = 0; i < CHAINS; i++) a[i] = _mm256_dpbusd_avx_epi32(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 32 * CHAINS * STEPS;
}

/* Products of whole tiles, of two operands each way, as a product of matrices has them. */
TARGET("amx-tile,amx-bf16") static double burst_bf16_tiles(void)
{
    enum { TILE_STEPS = STEPS / 4 };
    struct tile_config config = {.palette = 1};
    for (int t = 0; t < N_TILES; t++) tile_shape(&config, t, TILE_ROWS_MOST, TILE_ROW_BYTES);
    __asm__ volatile("" : : "r"(&config) : "memory"); /* written before it is loaded */
    _tile_loadconfig(&config);
    for (int step = 0; step < TILE_STEPS; step++) {
        _tile_dpbf16ps(0, 4, 6);
        _tile_dpbf16ps(1, 4, 7);
        _tile_dpbf16ps(2, 5, 6);
        _tile_dpbf16ps(3, 5, 7);
    }
    _tile_release();
    return 2.0 * 16 * 16 * 32 * 4 * TILE_STEPS;
}

#elif defined(KERNELS_ARM)

#include <arm_neon.h>

enum { CHAINS = 20 }; /* up to four units of four steps */

#define OPAQUE(a) __asm__ volatile("" : "+w"(a))

static double burst_f32_neon(void)
{
    float32x4_t a[CHAINS], b = vdupq_n_f32(0.5f), c = vdupq_n_f32(0.25f);
    for (int i = 0; i < CHAINS; i++) a[i] = vdupq_n_f32((float)i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 20
        for (int i = 0; i < CHAINS; i++) a[i] = vfmaq_f32(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 4 * CHAINS * STEPS;
}

/* 2 x 4 times 4 x 2. */
TARGET("arch=armv8.2-a+bf16") static double burst_bf16(void)
{
    float32x4_t a[CHAINS];
    uint16x8_t half = vdupq_n_u16(0x3f00), quarter = vdupq_n_u16(0x3e80);
    OPAQUE(half); /* GCC 12 makes constants of bf16 with an instruction for f16 */
    OPAQUE(quarter);
    bfloat16x8_t b = vreinterpretq_bf16_u16(half), c = vreinterpretq_bf16_u16(quarter);
    for (int i = 0; i < CHAINS; i++) a[i] = vdupq_n_f32((float)i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 20
        for (int i = 0; i < CHAINS; i++) a[i] = vbfmmlaq_f32(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 16 * CHAINS * STEPS;
}

TARGET("arch=armv8.2-a+dotprod") static double burst_int8_dot(void)
{
    int32x4_t a[CHAINS];
    int8x16_t b = vdupq_n_s8(3), c = vdupq_n_s8(5);
    for (int i = 0; i < CHAINS; i++) a[i] = vdupq_n_s32(i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 20
        for (int i = 0; i < CHAINS; i++) a[i] = vdotq_s32(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 16 * CHAINS * STEPS;
}

/* 2 x 8 times 8 x 2. */
TARGET("arch=armv8.2-a+i8mm") static double burst_int8_matrix(void)
{
    int32x4_t a[CHAINS];
    int8x16_t b = vdupq_n_s8(3), c = vdupq_n_s8(5);
    for (int i = 0; i < CHAINS; i++) a[i] = vdupq_n_s32(i);
    for (int step = 0; step < STEPS; step++)
#pragma GCC unroll 20
        for (int i = 0; i < CHAINS; i++) a[i] = vmmlaq_s32(a[i], b, c);
    for (int i = 0; i < CHAINS; i++) OPAQUE(a[i]);
    return 2.0 * 32 * CHAINS * STEPS;
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
#elif defined(KERNELS_ARM)
    if (cpu_has(CPU_NEON)) return burst_f32_neon;
#endif
    return burst_f32_portable;
}

burst_fn peak_bf16(void)
{
#ifdef KERNELS_X86
    if (cpu_has(CPU_AMX)) return burst_bf16_tiles;
    if (cpu_has(CPU_AVX512BF16)) return burst_bf16;
#elif defined(KERNELS_ARM)
    if (cpu_has(CPU_NEONBF16)) return burst_bf16;
#endif
    return NULL;
}

burst_fn peak_int8(void)
{
#ifdef KERNELS_X86
    if (cpu_has(CPU_AVX512VNNI)) return burst_int8_zmm;
    if (cpu_has(CPU_AVXVNNI)) return burst_int8_ymm;
#elif defined(KERNELS_ARM)
    if (cpu_has(CPU_I8MM)) return burst_int8_matrix;
    if (cpu_has(CPU_DOTPROD)) return burst_int8_dot;
#endif
    return NULL;
}
