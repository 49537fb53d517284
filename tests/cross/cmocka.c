/* SPDX-License-Identifier: MIT */
#include "cmocka.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static jmp_buf after; // the running test

void test_fail(const char *file, int line, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    printf("# %s:%d: ", file, line);
    vprintf(format, args);
    putchar('\n');
    va_end(args);
    longjmp(after, 1);
}

void test_memory_equal(const char *file, int line, const void *a, const void *b, size_t n)
{
    const unsigned char *x = a, *y = b;
    for (size_t i = 0; i < n; i++)
        if (x[i] != y[i])
            test_fail(file, line, "byte %zu of %zu is 0x%02x, not 0x%02x", i, n, x[i], y[i]);
}

int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n_tests,
                            void *setup, void *teardown)
{
    static volatile int n_failed;
    static volatile size_t i;
    (void)group, (void)setup, (void)teardown;
    printf("1..%zu\n", n_tests);
    for (i = 0; i < n_tests; i++) {
        void *state = tests[i].initial_state;
        bool passed = setjmp(after) == 0;
        if (passed)
            tests[i].test_func(&state);
        else
            n_failed++;
        printf("%s %zu - %s\n", passed ? "ok" : "not ok", i + 1, tests[i].name);
        fflush(stdout);
    }
    return n_failed;
}
