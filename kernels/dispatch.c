/* SPDX-License-Identifier: MIT */
#include "kernels.h"

#include <pthread.h>
#include <string.h>

#include "base/cpu.h"
#include "levels.h"
#include "packed.h"

static struct kernels tables[N_CPU_LEVELS];
static int best;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Each level starts from the best below it that the processor has, so an entry a level lacks is the
 * next best. */
static void fill_all(void)
{
    kernels_fill_portable(&tables[CPU_PORTABLE]);
    tables[CPU_PORTABLE].level = cpu_level_name(CPU_PORTABLE);
    static void (*const fill[N_CPU_LEVELS])(struct kernels *) = {
#if defined(KERNELS_X86)
        [CPU_AVX2] = kernels_fill_avx2,
        [CPU_AVXVNNI] = kernels_fill_avxvnni,
        [CPU_AVX512] = kernels_fill_avx512,
        [CPU_AVX512VNNI] = kernels_fill_avx512vnni,
        [CPU_AVX512BF16] = kernels_fill_avx512bf16,
        [CPU_AMX] = kernels_fill_amx,
        [CPU_AMX_EMULATED] = kernels_fill_amx_emulated,
#elif defined(KERNELS_ARM)
        [CPU_NEON] = kernels_fill_neon,
        [CPU_DOTPROD] = kernels_fill_dotprod,
        [CPU_I8MM] = kernels_fill_i8mm,
        [CPU_NEONBF16] = kernels_fill_neonbf16,
#endif
    };
    for (int level = CPU_PORTABLE + 1; level < N_CPU_LEVELS; level++) {
        if (!fill[level] || !cpu_has((enum cpu_level)level)) continue;
        tables[level] = tables[best];
        tables[level].level = cpu_level_name((enum cpu_level)level);
        fill[level](&tables[level]);
        best = level;
    }
}

const struct kernels *kernels_for(const char *level)
{
    pthread_once(&once, fill_all);
    for (int i = 0; i <= best; i++)
        if (tables[i].level && strcmp(level, tables[i].level) == 0) return &tables[i];
    return NULL;
}

const struct kernels *kernels_best(void)
{
    pthread_once(&once, fill_all);
    return &tables[best];
}

size_t pack_strip_bytes(enum weight_type type, int n_in)
{
    if (type != WEIGHT_Q8 && type != WEIGHT_Q4) return 0;
    size_t block = pack_data_bytes(type) + PACK_OUTS * sizeof(uint16_t);
    return ((size_t)pack_blocks(n_in) * block + 63) & ~(size_t)63;
}

size_t mat_bytes(enum weight_type type, int n_out, int n_in)
{
    size_t strip = pack_strip_bytes(type, n_in);
    if (strip == 0) return weight_bytes(type) * (size_t)n_out * (size_t)n_in;
    return strip * (size_t)(n_out / PACK_OUTS + (n_out % PACK_OUTS != 0));
}

size_t prepared_bytes(enum weight_type type, int n_in)
{
    size_t n = (size_t)pack_blocks(n_in), bytes = 0;
    if (type == WEIGHT_BF16_PAIRS) bytes = sizeof(float) * (size_t)n_in;
    if (pack_strip_bytes(type, n_in) > 0)
        bytes = n * (PACK_IN + 2 * sizeof(int32_t)) + sizeof(float);
    return (bytes + 63) & ~(size_t)63;
}

size_t matmul_scratch_bytes(void) { return sizeof(float) * PANEL_OUTS * PANEL_STRIDE; }

size_t attend_scratch_floats(int head_dim)
{
    return 2 * attend_block_floats(head_dim) +
           ATTEND_MAX_Q * ((size_t)kv_padded(head_dim) + KV_BLOCK + ATTEND_LANES +
                           2 * attend_span_floats(head_dim));
}
