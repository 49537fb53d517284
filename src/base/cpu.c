/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/cpu.h"

#if defined(__x86_64__)
#include <cpuid.h>
#elif defined(__aarch64__)
#include <sys/auxv.h>
#endif
#include <pthread.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/env.h"

static const char *const level_names[] = {"portable",   "avx2", "avxvnni", "avx512", "avx512vnni",
                                          "avx512bf16", "neon", "dotprod", "i8mm",   "neonbf16"};

const char *cpu_level_name(enum cpu_level level) { return level_names[level]; }

static bool has[N_CPU_LEVELS];
static enum cpu_level level;

#if defined(__x86_64__)
/* What clang 14's __builtin_cpu_supports does not know. */
static bool has_f16c(void)
{
    unsigned a, b, c, d;
    return __get_cpuid(1, &a, &b, &c, &d) && (c & bit_F16C);
}

static unsigned cpuid_7_1(void) /* eax of leaf 7, subleaf 1 */
{
    unsigned a, b, c, d;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || a < 1) return 0;
    return __get_cpuid_count(7, 1, &a, &b, &c, &d) ? a : 0;
}

static void detect(void)
{
    enum { AVX_VNNI = 1 << 4, AVX512_BF16 = 1 << 5 }; /* of cpuid_7_1 */
    __builtin_cpu_init();
    has[CPU_AVX2] = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && has_f16c();
    has[CPU_AVXVNNI] = has[CPU_AVX2] && (cpuid_7_1() & AVX_VNNI);
    has[CPU_AVX512] = has[CPU_AVX2] && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
                      __builtin_cpu_supports("avx512vl");
    has[CPU_AVX512VNNI] = has[CPU_AVX512] && __builtin_cpu_supports("avx512vnni");
    has[CPU_AVX512BF16] = has[CPU_AVX512VNNI] && (cpuid_7_1() & AVX512_BF16);
}
#elif defined(__aarch64__)
static void detect(void)
{
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    has[CPU_NEON] = first & HWCAP_ASIMD;
    has[CPU_DOTPROD] = has[CPU_NEON] && (first & HWCAP_ASIMDDP);
    has[CPU_I8MM] = has[CPU_DOTPROD] && (second & HWCAP2_I8MM);
    has[CPU_NEONBF16] = has[CPU_I8MM] && (second & HWCAP2_BF16);
}
#else
static void detect(void) {}
#endif

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
    detect();
    has[CPU_PORTABLE] = true;
    const char *cap = env_cpu();
    int highest = N_CPU_LEVELS - 1;
    for (int i = CPU_PORTABLE; cap && i < N_CPU_LEVELS; i++)
        if (strcmp(cap, level_names[i]) == 0) highest = i;
    for (int i = 0; i < N_CPU_LEVELS; i++) {
        has[i] = has[i] && i <= highest;
        if (has[i]) level = (enum cpu_level)i;
    }
    find_name();
}

static pthread_once_t once = PTHREAD_ONCE_INIT;

bool cpu_has(enum cpu_level wanted)
{
    pthread_once(&once, find_all);
    return has[wanted];
}

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
