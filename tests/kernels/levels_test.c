/* SPDX-License-Identifier: MIT
 * levels_test NAME…: this processor, or the emulated one, has exactly these levels of the table,
 * the last being the best. */
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/cpu.h"
#include "kernels.h"

int main(int argc, char **argv)
{
    bool failed = argc < 2 || strcmp(kernels_best()->level, argv[argc - 1]) != 0;
    printf("1..%d\n%s 1 - the best is %s\n", N_CPU_LEVELS + 1, failed ? "not ok" : "ok",
           kernels_best()->level);
    for (int i = 0; i < N_CPU_LEVELS; i++) {
        const char *name = cpu_level_name((enum cpu_level)i);
        bool has = kernels_for(name), wanted = false;
        for (int a = 1; a < argc; a++) wanted = wanted || strcmp(argv[a], name) == 0;
        printf("%s %d - %s is %s\n", has == wanted ? "ok" : "not ok", i + 2, name,
               has ? "there" : "not there");
        failed = failed || has != wanted;
    }
    return failed;
}
