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

#include "base/cpu_tiles.h"
#include "base/env.h"

static const char *const level_names[] = {"portable",   "avx2",       "avxvnni", "avx512",
                                          "avx512vnni", "avx512bf16", "amx",     "amx-emulated",
                                          "neon",       "dotprod",    "i8mm",    "neonbf16"};

const char *cpu_level_name(enum cpu_level level) { return level_names[level]; }

static bool has[N_CPU_LEVELS];
static char lacks[N_CPU_LEVELS][100]; // features by name
static enum cpu_level level;
static int cap = N_CPU_LEVELS; // the level that PHI3V_CPU names; N_CPU_LEVELS: none

/* Requires a feature for a level. */
static void need(enum cpu_level of, const char *feature, bool present)
{
    size_t n = strlen(lacks[of]);
    if (!present) snprintf(lacks[of] + n, sizeof lacks[of] - n, "%s%s", n ? ", " : "", feature);
}

/* Requires the level below. */
static void settle(enum cpu_level of, enum cpu_level below)
{
    has[of] = has[below] && !*lacks[of];
    if (!has[below] && !*lacks[of])
        snprintf(lacks[of], sizeof lacks[of], "what %s needs", level_names[below]);
}

#if defined(__x86_64__)
/* clang 14's __builtin_cpu_supports does not know these. */
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

/* Nobody has timed the tile unit's level on such a processor yet, so it is on only by name, and the
 * permission is asked for only then. */
static void detect_tiles(void)
{
    const bool is_named = cap == CPU_AMX || cap == CPU_AMX_EMULATED;
    struct tile_facts facts = cpu_tile_facts();
    if (!is_named) facts.ask = NULL;
    const char *missing = cpu_tiles_lack(&facts);
    if (missing) need(CPU_AMX, missing, false);
    if (!missing) need(CPU_AMX, "a trial on such a processor; PHI3V_CPU=amx turns it on", is_named);
}

static void detect(void)
{
    enum { AVX_VNNI = 1 << 4, AVX512_BF16 = 1 << 5 }; /* of cpuid_7_1 */
    const bool has_pairs = cpuid_7_1() & AVX512_BF16;
    __builtin_cpu_init();
    need(CPU_AVX2, "AVX2", __builtin_cpu_supports("avx2"));
    need(CPU_AVX2, "FMA", __builtin_cpu_supports("fma"));
    need(CPU_AVX2, "F16C", has_f16c());
    need(CPU_AVXVNNI, "AVX-VNNI", cpuid_7_1() & AVX_VNNI);
    need(CPU_AVX512, "AVX512F", __builtin_cpu_supports("avx512f"));
    need(CPU_AVX512, "AVX512BW", __builtin_cpu_supports("avx512bw"));
    need(CPU_AVX512, "AVX512DQ", __builtin_cpu_supports("avx512dq"));
    need(CPU_AVX512, "AVX512VL", __builtin_cpu_supports("avx512vl"));
    need(CPU_AVX512VNNI, "AVX512-VNNI", __builtin_cpu_supports("avx512vnni"));
    need(CPU_AVX512BF16, "AVX512-BF16", has_pairs);
    need(CPU_AVX512BF16, "fast AVX512-BF16", cap == CPU_AVX512BF16 || !__builtin_cpu_is("intel"));
    need(CPU_AMX, "AVX512-BF16", has_pairs);
    need(CPU_AMX_EMULATED, "AVX512-BF16", has_pairs);
    detect_tiles();
    settle(CPU_AVX2, CPU_PORTABLE);
    settle(CPU_AVXVNNI, CPU_AVX2);
    settle(CPU_AVX512, CPU_AVX2);
    settle(CPU_AVX512VNNI, CPU_AVX512);
    settle(CPU_AVX512BF16, CPU_AVX512VNNI);
    settle(CPU_AMX, CPU_AVX512VNNI);
    settle(CPU_AMX_EMULATED, CPU_AVX512VNNI);
}
#elif defined(__aarch64__)
static void detect(void)
{
    unsigned long first = getauxval(AT_HWCAP), second = getauxval(AT_HWCAP2);
    need(CPU_NEON, "NEON", first & HWCAP_ASIMD);
    need(CPU_DOTPROD, "SDOT", first & HWCAP_ASIMDDP);
    need(CPU_I8MM, "SMMLA", second & HWCAP2_I8MM);
    need(CPU_NEONBF16, "BFDOT", second & HWCAP2_BF16);
    settle(CPU_NEON, CPU_PORTABLE);
    settle(CPU_DOTPROD, CPU_NEON);
    settle(CPU_I8MM, CPU_DOTPROD);
    settle(CPU_NEONBF16, CPU_I8MM);
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
    const char *wanted = env_cpu();
    for (int i = CPU_PORTABLE; wanted && i < N_CPU_LEVELS; i++)
        if (strcmp(wanted, level_names[i]) == 0) cap = i;
    has[CPU_PORTABLE] = true;
    detect();
    if (cap != CPU_AMX_EMULATED) has[CPU_AMX_EMULATED] = false, lacks[CPU_AMX_EMULATED][0] = 0;
    for (int i = 0; i < N_CPU_LEVELS; i++) {
        if (has[i] && i > cap)
            snprintf(lacks[i], sizeof lacks[i], "PHI3V_CPU=%s", level_names[cap]);
        has[i] = has[i] && i <= cap;
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

const char *cpu_why_off(enum cpu_level wanted)
{
    pthread_once(&once, find_all);
    return lacks[wanted];
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
