/* SPDX-License-Identifier: GPL-3.0-or-later
 * Settings by name and the options of the command line; names near to others. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/nearest_name.h"
#include "verbs/options.h"

static const char *name_at(int i, void *user)
{
    const char *const *names = user;
    return names[i];
}

static void nearest(void **state)
{
    (void)state;
    static const char *names[] = {"load", "images", "temperature"};
    assert_int_equal(edit_distance("laod", "load"), 1);
    assert_int_equal(edit_distance("LOAD", "load"), 0);
    assert_int_equal(edit_distance("", "abc"), 3);
    assert_string_equal(nearest_name("lod", 3, name_at, names), "load");
    assert_string_equal(nearest_name("temprature", 3, name_at, names), "temperature");
    assert_null(nearest_name("xyzzy", 3, name_at, names));
}

static void option_values(void **state)
{
    (void)state;
    struct settings opt, copy;
    struct phi3v_error err;
    assert_int_equal(settings_init(&opt, &err), 0);
    assert_int_equal(settings_set(&opt, "top_k", "5", SETTING_SHOWN, &err), 0);
    assert_int_equal(opt.top_k, 5);
    assert_int_equal(settings_set(&opt, "top-p", "0.5", SETTING_SHOWN, &err), 0);
    assert_int_equal(settings_set(&opt, "stop", "END", SETTING_SHOWN, &err), 0);
    assert_int_equal(settings_set(&opt, "keep_special", "on", SETTING_SHOWN, &err), 0);
    assert_true(opt.keep_special);
    assert_int_equal(settings_copy(&copy, &opt, &err), 0);
    assert_string_equal(copy.stop.v[0], "END");
    assert_int_equal(settings_set(&copy, "stop", "", SETTING_SHOWN, &err), 0);
    assert_int_equal(copy.stop.n, 0);
    assert_int_equal(opt.stop.n, 1);
    settings_free(&copy);
    static const char *const bad[][2] = {
        {"top_p", "1.5"},        {"temperature", "-1"}, {"temperature", "nan"}, {"top_k", "3x"},
        {"max_new_tokens", "0"}, {"seed", "-1"},        {"exif", "maybe"},      {"stop_mode", "x"},
        {"layout", ""},          {"no_such", "1"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(settings_set(&opt, bad[i][0], bad[i][1], SETTING_SHOWN, &err),
                         PHI3V_E_ARGUMENT);
    assert_int_equal(opt.top_k, 5);
    assert_int_equal(settings_set(&opt, "max_new_tokens", "0", SETTING_SHOWN, &err),
                     PHI3V_E_ARGUMENT);
    assert_string_equal(err.text,
                        "max-new-tokens must be a whole number from 1 to 1000000000, not \"0\"");
    assert_int_equal(settings_set(&opt, "plain", "on", SETTING_ANSWER, &err), PHI3V_E_ARGUMENT);
    assert_string_equal(err.text, "plain cannot be set for one run only: try :set plain");
    assert_int_equal(settings_set_from_file(&opt, "top_k", "7", &err), 0);
    static const char *const not_from_files[][2] = {
        {"max_new_tokens", "1000000"}, {"num_crops", "200"}, {"plain", "on"},
        {"graphics", "none"},          {"threads", "1"},     {"device", "cpu"}};
    for (size_t i = 0; i < sizeof not_from_files / sizeof *not_from_files; i++)
        assert_int_equal(
            settings_set_from_file(&opt, not_from_files[i][0], not_from_files[i][1], &err),
            PHI3V_E_ARGUMENT);
    settings_free(&opt);
}

static int parse(struct options *opt, bool first_word, struct phi3v_error *err, int argc, ...)
{
    char *argv[16] = {"phiscope"};
    va_list ap;
    va_start(ap, argc);
    for (int i = 1; i <= argc; i++) argv[i] = va_arg(ap, char *);
    va_end(ap);
    return options_parse(opt, argc + 1, argv, OPTION_COMMON, first_word, err);
}

static void command_lines(void **state)
{
    (void)state;
    struct options opt;
    struct phi3v_error err;
    options_init(&opt);
    assert_int_equal(parse(&opt, true, &err, 4, "-m", "x", "ask", "--json"), 3);
    assert_false(opt.json);
    assert_string_equal(opt.model, "x");
    assert_int_equal(parse(&opt, false, &err, 5, "a", "--json", "-ione", "--image=two", "b"), 4);
    assert_true(opt.json);
    assert_int_equal(opt.images.n, 2);
    assert_int_equal(parse(&opt, false, &err, 2, "--set", "num_crops=4"), 3);
    assert_int_equal(opt.set.num_crops, 4);
    assert_int_equal(parse(&opt, false, &err, 1, "--temprature"), PHI3V_E_ARGUMENT);
    assert_string_equal(err.text, "unknown option --temprature: did you mean --temperature?");
    assert_int_equal(parse(&opt, false, &err, 1, "--seed"), PHI3V_E_ARGUMENT);
    assert_int_equal(parse(&opt, false, &err, 1, "-x"), PHI3V_E_ARGUMENT);
    assert_int_equal(parse(&opt, false, &err, 1, "--json=yes"), PHI3V_E_ARGUMENT);
    assert_int_equal(parse(&opt, false, &err, 2, "--", "-x"), 2);
    options_free(&opt);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(nearest), cmocka_unit_test(option_values),
                                       cmocka_unit_test(command_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
