/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"

static const char *const level_names[] = {"portable", "avx2", "avx512"};

const char *cpu_level_name(enum cpu_level level) { return level_names[level]; }

#if defined(__x86_64__)
/* clang 14's __builtin_cpu_supports does not know this one. */
static int has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}
#endif

static enum cpu_level detect(void)
{
#if defined(__x86_64__)
    __builtin_cpu_init();
    if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma") || !has_f16c())
        return CPU_PORTABLE;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl"))
        return CPU_AVX512;
    return CPU_AVX2;
#else
    return CPU_PORTABLE;
#endif
}

static enum cpu_level level;
static char name[64] = "unknown processor";

static void find_name(void)
{
    FILE *f = fopen("/proc/cpuinfo", "re");
    if (!f) return;
    char line[256];
    while (fgets(line, sizeof line, f)) {
        if (strncmp(line, "model name", 10) != 0) continue;
        char *colon = strchr(line, ':');
        if (!colon) break;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(colon + 2, "\n"), colon + 2);
        break;
    }
    fclose(f);
}

static void find_all(void)
{
    level = detect();
    const char *cap = env_cpu();
    for (int i = CPU_PORTABLE; cap && i <= CPU_AVX512; i++)
        if (strcmp(cap, level_names[i]) == 0 && i < (int)level) level = (enum cpu_level)i;
    find_name();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

enum cpu_level cpu_level(void)
{
    pthread_once(&once, find_all);
    return level;
}

const char *cpu_name(void)
{
    pthread_once(&once, find_all);
    return name;
}

int cpu_count(void)
{
    cpu_set_t set;
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    return CPU_COUNT(&set);
}
