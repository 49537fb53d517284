/* SPDX-License-Identifier: GPL-3.0-or-later
 * How certain an answer was: kept, written and read; and the line that forks one. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json.h"
#include "notebook/certainty.h"
#include "notebook/fork.h"

static struct certainty of_result(void)
{
    static float logprobs[] = {-0.00001f, -1.23456f, -30};
    static struct phi3v_logprob top[] = {{7, -0.00001f}, {8, -12}, {9, -1},
                                         {5, -1.5f},     {6, -25}, {4, -31}};
    struct phi3v_result r = {.logprobs = logprobs, .top = top, .n_top = 2, .n_ids = 3};
    struct certainty c = {0};
    assert_true(certainty_resize(&c, 1)); /* one that is not known */
    assert_true(certainty_add(&c, &r, 3));
    return c;
}

static char *written(const struct certainty *c)
{
    json_t *list = certainty_json(c);
    char *s = json_dumps(list, JSON_COMPACT);
    json_decref(list);
    return s;
}

static void writes_and_reads(void **state)
{
    (void)state;
    struct certainty c = of_result(), again;
    assert_int_equal(c.n, 4);
    char *s = written(&c);
    assert_string_equal(s, "[\"\",\"0.000 7:0.000\",\"-1.235 9:-1.000 5:-1.500\","
                           "\"-30.000 6:-25.000 4:-31.000\"]");
    json_t *list = json_loads(s, 0, NULL);
    assert_true(certainty_read(list, &again));
    json_decref(list);
    char *s2 = written(&again);
    assert_string_equal(s, s2);
    assert_true(isnan(again.v[0].logprob));
    assert_float_equal(again.v[2].logprob, -1.235, 1e-6);
    assert_float_equal(certainty_probability(&again.v[0]), 0, 0);
    /* Of the three that are known. */
    assert_float_equal(certainty_least(&again), exp(-30), 1e-18);
    free(s);
    free(s2);
    certainty_free(&c);
    certainty_free(&again);
}

static void what_is_not_that_is_not_read(void **state)
{
    (void)state;
    static const char *const bad[] = {"[1]",
                                      "[\"x\"]",
                                      "[\"1.0\"]",
                                      "[\"-1\"]",
                                      "[\"-1.0 5\"]",
                                      "[\"-1.0 5:\"]",
                                      "[\"-1.0 -5:-1.0\"]",
                                      "[\"-1.0 5:1.0\"]",
                                      "[\"-1.0  \"]",
                                      "[\"-1.0 1:-1.0 2:-1.0 3:-1.0 4:-1.0 5:-1.0 6:-1.0\"]",
                                      "[\"-99999999999.0\"]",
                                      "[\"-1.0x\"]",
                                      "[null]"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct certainty c;
        json_t *list = json_loads(bad[i], 0, NULL);
        assert_non_null(list);
        assert_false(certainty_read(list, &c));
        assert_null(c.v);
        json_decref(list);
    }
}

static void copies(void **state)
{
    (void)state;
    struct certainty c = of_result(), copy;
    assert_true(certainty_copy(&copy, &c));
    assert_true(certainty_resize(&copy, 2));
    assert_true(certainty_resize(&copy, 3));
    assert_true(isnan(copy.v[2].logprob));
    assert_int_equal(copy.v[2].top[0].id, -1);
    assert_float_equal(c.v[2].logprob, -1.23456, 1e-5);
    certainty_free(&copy);
    certainty_free(&c);
    assert_true(isnan(certainty_least(&copy)));
}

static void fork_lines_are_read(void **state)
{
    (void)state;
    struct fork f;
    assert_true(fork_read("2", &f));
    assert_true(f.cell == 2 && f.token == 0 && !f.text);
    assert_true(fork_read("2@17", &f));
    assert_true(f.cell == 2 && f.token == 17 && !f.text);
    assert_true(fork_read("12@3=a = b@1", &f));
    assert_true(f.cell == 12 && f.token == 3);
    assert_string_equal(f.text, "a = b@1");
    static const char *const bad[] = {
        "",    "0",   "_",    "x",    "-1",    "2@",         "2@0",
        "2@x", "2=x", "2@1=", "2 @1", "2@1 x", "9999999999", "2@9999999999"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) assert_false(fork_read(bad[i], &f));
    assert_true(fork_of_line(":fork  2@1=two\\\nlines", &f));
    f.text = "two\nlines";
    char *line = fork_line(&f);
    assert_string_equal(line, ":fork 2@1=two\\\nlines");
    free(line);
    assert_false(fork_of_line(":forks 2", &f));
    assert_false(fork_of_line(":load 2", &f));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(writes_and_reads), cmocka_unit_test(what_is_not_that_is_not_read),
        cmocka_unit_test(copies), cmocka_unit_test(fork_lines_are_read)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
