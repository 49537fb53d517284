/* SPDX-License-Identifier: GPL-3.0-or-later
 * Comparing an answer with what is known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "verbs/score.h"

static void same(void **state)
{
    (void)state;
    assert_true(score_same(" Winter  garden\nOpen ", "Winter garden Open"));
    assert_true(score_same("", " \n"));
    assert_false(score_same("winter", "Winter"));
    assert_false(score_same("Winter garden", "Wintergarden"));
}

static void contains(void **state)
{
    (void)state;
    assert_true(score_contains("The title is \"THE SILENT\nRiver\".", "The Silent River"));
    assert_true(score_contains("45% of it", "45%"));
    assert_true(score_contains("Tue 62, Wed 4", "62"));
    assert_false(score_contains("Tue 162", "62"));
    assert_false(score_contains("Tue 620", "62"));
    assert_false(score_contains("redder", "red"));
    assert_true(score_contains("redder, red", "red"));
    assert_false(score_contains("caf\xc3\xa9s", "caf\xc3\xa9"));
    assert_true(score_contains("", ""));
    assert_false(score_contains("", "x"));
}

static void last_sentence(void **state)
{
    (void)state;
    assert_string_equal(score_last_sentence("One. Two 1.5 is it."), "Two 1.5 is it.");
    assert_string_equal(score_last_sentence("Only one. "), "Only one. ");
    assert_string_equal(score_last_sentence(""), "");
}

static size_t edits(const char *got, const char *want, bool anywhere)
{
    size_t letters;
    return score_edits(got, want, anywhere, &letters);
}

static void counts_edits(void **state)
{
    (void)state;
    size_t letters;
    assert_int_equal(edits("kitten", "sitting", false), 3);
    assert_int_equal(edits("", "abc", false), 3);
    assert_int_equal(edits("abc", "", false), 3);
    assert_int_equal(edits("The title is \"Silemt Rivr\".", "Silent River", true), 2);
    assert_int_equal(edits("nothing", "xyz", true), 3);
    assert_int_equal(score_edits("caf\xc3\xa9", "CAF\xc3\xa8", false, &letters), 1);
    assert_int_equal(letters, 4);
}

static void numbers(void **state)
{
    (void)state;
    const double values[] = {35, 62, 48}, twice[] = {7, 7}, big[] = {1200, -3, 2.5};
    assert_int_equal(score_numbers("Mon 35, Tue 62, Wed 48", values, 3, 0), 3);
    assert_int_equal(score_numbers("Mon 36, Tue 62, Wed 8", values, 3, 0), 1);
    assert_int_equal(score_numbers("Mon 36, Tue 62, Wed 8", values, 3, 1), 2);
    assert_int_equal(score_numbers("7", twice, 2, 0), 1);
    assert_int_equal(score_numbers("7 and 7", twice, 2, 0), 2);
    assert_int_equal(score_numbers("1,200 then -3 and 2.5", big, 3, 0), 3);
    assert_int_equal(score_numbers("1,2", values, 3, 0), 0);
    assert_int_equal(score_numbers("none", values, 0, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same), cmocka_unit_test(contains),
                                       cmocka_unit_test(last_sentence),
                                       cmocka_unit_test(counts_edits), cmocka_unit_test(numbers)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
