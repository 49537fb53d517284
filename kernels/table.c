/* SPDX-License-Identifier: MIT */
#include "kernels.h"

#include <pthread.h>
#include <string.h>

#include "base/cpu.h"
#include "levels.h"

enum { N_LEVELS = CPU_AVX512 + 1 };

static struct kernels tables[N_LEVELS];
static int best;
static pthread_once_t once = PTHREAD_ONCE_INIT;

/* Each level starts from the one below it, so an entry a level lacks is the next best. */
static void fill_all(void)
{
    kernels_fill_portable(&tables[CPU_PORTABLE]);
    tables[CPU_PORTABLE].level = cpu_level_name(CPU_PORTABLE);
#ifdef KERNELS_X86
    static void (*const fill[N_LEVELS])(struct kernels *) = {
        [CPU_AVX2] = kernels_fill_avx2, [CPU_AVX512] = kernels_fill_avx512};
    for (int level = CPU_AVX2; level <= (int)cpu_level(); level++) {
        tables[level] = tables[level - 1];
        tables[level].level = cpu_level_name((enum cpu_level)level);
        fill[level](&tables[level]);
        best = level;
    }
#endif
}

const struct kernels *kernels_for(const char *level)
{
    pthread_once(&once, fill_all);
    for (int i = 0; i <= best; i++)
        if (strcmp(level, tables[i].level) == 0) return &tables[i];
    return NULL;
}

const struct kernels *kernels_best(void)
{
    pthread_once(&once, fill_all);
    return &tables[best];
}

size_t matmul_scratch_bytes(void) { return sizeof(float) * PANEL_OUTS * PANEL_STRIDE; }

size_t attend_scratch_floats(int head_dim)
{
    return 2 * attend_block_floats(head_dim) +
           ATTEND_MAX_Q * ((size_t)kv_padded(head_dim) + KV_BLOCK + ATTEND_LANES +
                           2 * attend_span_floats(head_dim));
}
