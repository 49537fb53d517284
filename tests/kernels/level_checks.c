/* SPDX-License-Identifier: MIT */
#include "level_checks.h"

#include <assert.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "base/cpu.h"

static const struct kernels *kernels_of(int level)
{
    return kernels_for(cpu_level_name((enum cpu_level)level));
}

static bool is_new(const struct level_check *check, int level)
{
    const char *entries = (const char *)kernels_of(level) + check->begin;
    for (int l = 0; l < level; l++) {
        const char *below = (const char *)kernels_of(l);
        if (below && memcmp(below + check->begin, entries, check->end - check->begin) == 0)
            return false;
    }
    return true;
}

int run_checks(const char *group, const struct level_check *checks, int n_checks)
{
    struct CMUnitTest tests[N_CPU_LEVELS * MAX_LEVEL_CHECKS];
    static char names[N_CPU_LEVELS * MAX_LEVEL_CHECKS][48];
    size_t n = 0;
    assert(n_checks <= MAX_LEVEL_CHECKS);
    for (int l = 0; l < N_CPU_LEVELS; l++)
        for (int c = 0; c < n_checks && kernels_of(l); c++) {
            if (!is_new(&checks[c], l)) continue;
            snprintf(names[n], sizeof names[n], "%s: %s", kernels_of(l)->level, checks[c].name);
            tests[n] = (struct CMUnitTest){.name = names[n],
                                           .test_func = checks[c].fn,
                                           .initial_state = (void *)kernels_of(l)};
            n++;
        }
    return _cmocka_run_group_tests(group, tests, n, NULL, NULL);
}
