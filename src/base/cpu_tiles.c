/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/cpu_tiles.h"

#include <stddef.h>
#include <sys/syscall.h>
#include <unistd.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif

/* Of <asm/prctl.h> and of XCR0, in case the headers are older. */
enum { GET_PERMISSION = 0x1022, REQUEST_PERMISSION = 0x1023, TILE_CONFIG = 17, TILE_DATA = 18 };

const char *cpu_tiles_lack(const struct tile_facts *f)
{
    const uint64_t states = (uint64_t)1 << TILE_CONFIG | (uint64_t)1 << TILE_DATA;
    uint64_t granted = 0;
    if (!f->has_unit) return "AMX-TILE";
    if (!f->has_bf16) return "AMX-BF16";
    if ((f->kept_states & states) != states) return "a system that keeps tiles";
    if (!f->ask) return NULL;
    long refused = f->ask(REQUEST_PERMISSION, TILE_DATA);
    /* where the request cannot be made, as before it was introduced, neither can the question */
    if (refused || f->ask(GET_PERMISSION, (unsigned long)(uintptr_t)&granted) != 0 ||
        !(granted & (uint64_t)1 << TILE_DATA))
        return "the system's permission for tiles";
    return NULL;
}

#if defined(__x86_64__)

static long ask_system(int operation, unsigned long argument)
{
    return syscall(SYS_arch_prctl, operation, argument);
}

/* XGETBV may be executed only where the system has turned it on. */
static uint64_t kept_states(void)
{
    unsigned a, b, c, d, low, high;
    if (!__get_cpuid(1, &a, &b, &c, &d) || !(c & bit_OSXSAVE)) return 0;
    __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return (uint64_t)high << 32 | low;
}

struct tile_facts cpu_tile_facts(void)
{
    enum { AMX_BF16 = 1 << 22, AMX_TILE = 1 << 24 }; /* edx of leaf 7 */
    unsigned a, b, c, d = 0;
    __get_cpuid_count(7, 0, &a, &b, &c, &d);
    return (struct tile_facts){d & AMX_TILE, d & AMX_BF16, kept_states(), ask_system};
}

#else

struct tile_facts cpu_tile_facts(void) { return (struct tile_facts){0}; }

#endif
