/* SPDX-License-Identifier: MIT
 * What this processor supports, found out once. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

#include <stdbool.h>

/* Ascending. AVX2 means AVX2+FMA+F16C; AVX512 adds F+BW+DQ+VL; AVX512VNNI and AVX512BF16 add one
 * feature each. AMX adds AMX-TILE and AMX-BF16 to both, AMX_EMULATED does the same in plain C, for
 * tests; these two are on only by name. A processor need not have every level below its highest:
 * AVXVNNI is the 256-bit form of VNNI, which some processors have without AVX-512 and some with
 * AVX-512 lack. Intel's processors multiply pairs of bf16 at half the speed of f32, so AVX512BF16 is
 * on there only by name. Every AArch64 processor has NEON; DOTPROD, I8MM and NEONBF16 add one
 * feature each. */
enum cpu_level {
    CPU_PORTABLE,
    CPU_AVX2,
    CPU_AVXVNNI,
    CPU_AVX512,
    CPU_AVX512VNNI,
    CPU_AVX512BF16,
    CPU_AMX,
    CPU_AMX_EMULATED,
    CPU_NEON,
    CPU_DOTPROD,
    CPU_I8MM,
    CPU_NEONBF16,
    N_CPU_LEVELS
};

/* The highest level, lowered by PHI3V_CPU=NAME when that is set. */
enum cpu_level cpu_level(void);
bool cpu_has(enum cpu_level level); /* supported and allowed by PHI3V_CPU */
/* Why a level is off: the missing features, or "PHI3V_CPU=NAME"; "" when it is on or belongs to
 * another architecture. */
const char *cpu_why_off(enum cpu_level level);
const char *cpu_level_name(enum cpu_level level);
int cpu_count(void);        /* cores this process may use */
const char *cpu_name(void); /* "Intel(R) Xeon(R) …" */

#endif
