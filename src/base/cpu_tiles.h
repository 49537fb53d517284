/* SPDX-License-Identifier: MIT
 * Whether this process may use the processor's tile unit (AMX). The processor has to have it, the
 * system has to keep its registers, and since Linux 5.16 a process has to ask for them once; a
 * virtual machine or a sandbox may refuse at any of the three. */
#ifndef BASE_CPU_TILES_H
#define BASE_CPU_TILES_H

#include <stdbool.h>
#include <stdint.h>

struct tile_facts {
    bool has_unit, has_bf16; /* AMX-TILE, AMX-BF16 of CPUID */
    uint64_t kept_states;    /* XCR0: the registers that the system keeps; 0: it has no XGETBV */
    /* arch_prctl, or a test's own; NULL: the permission is not asked for */
    long (*ask)(int operation, unsigned long argument);
};

/* What this machine says. */
struct tile_facts cpu_tile_facts(void);
/* What is missing, or NULL. Asks for the permission if nothing else is missing: it holds for the
 * process, and for its children until they run another program. */
const char *cpu_tiles_lack(const struct tile_facts *facts);

#endif
