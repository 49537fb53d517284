/* SPDX-License-Identifier: MIT
 * As much of cmocka as the kernels' tests use, for processors that it is not installed for. Names
 * and meanings are cmocka's. */
#ifndef CMOCKA_H
#define CMOCKA_H

#include <stddef.h>

typedef void (*CMUnitTestFunction)(void **state);
struct CMUnitTest {
    const char *name;
    CMUnitTestFunction test_func;
    void *initial_state;
};

/* Runs the tests and prints TAP; returns how many failed. The last two are not used. */
int _cmocka_run_group_tests(const char *group, const struct CMUnitTest *tests, size_t n_tests,
                            void *setup, void *teardown);

/* Ends the running test as failed. */
_Noreturn void test_fail(const char *file, int line, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void test_memory_equal(const char *file, int line, const void *a, const void *b, size_t n);

#define fail_msg(...) test_fail(__FILE__, __LINE__, __VA_ARGS__)
#define assert_true(a) ((a) ? (void)0 : test_fail(__FILE__, __LINE__, "not true: %s", #a))
#define assert_null(a) assert_true((a) == NULL)
#define assert_non_null(a) assert_true((a) != NULL)
#define assert_ptr_equal(a, b) assert_true((const void *)(a) == (const void *)(b))
#define assert_memory_equal(a, b, n) test_memory_equal(__FILE__, __LINE__, a, b, n)

#endif
