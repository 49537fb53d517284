/* SPDX-License-Identifier: MIT
 * What this processor can do, found once. */
#ifndef BASE_CPU_H
#define BASE_CPU_H

enum cpu_level { CPU_PORTABLE, CPU_AVX2, CPU_AVX512 }; /* ascending; AVX2 means AVX2+FMA+F16C,
                                                          AVX512 means F+BW+DQ+VL besides */

/* The highest level, lowered by PHI3V_CPU=portable|avx2|avx512 when that is set. */
enum cpu_level cpu_level(void);
const char *cpu_level_name(enum cpu_level level);
int cpu_count(void);         /* cores this process may use */
const char *cpu_name(void);  /* "Intel(R) Xeon(R) …" */

#endif
