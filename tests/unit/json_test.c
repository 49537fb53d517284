/* SPDX-License-Identifier: GPL-3.0-or-later
 * JSON as printed: one line, nothing in it that a terminal or a line reader obeys; indented as
 * Python does. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "common/json_exact.h"

static void line_is(json_t *value, const char *want)
{
    char *line = json_line(value);
    assert_string_equal(line, want);
    free(line);
    json_decref(value);
}

static void controls_are_escaped(void **state)
{
    (void)state;
    line_is(json_text("a\x1b[31m\n\x07"), "\"a\\u001B[31m\\n\\u0007\"");
    line_is(json_text("x\x7fy"), "\"x\\u007fy\"");
    line_is(json_text("\xC2\x9B"
                      "31m \xC2\x85"),
            "\"\\u009b31m \\u0085\"");
    line_is(json_text("\xC2\x80|\xC2\x9F|\xC2\xA0"), "\"\\u0080|\\u009f|\xC2\xA0\"");
    line_is(json_text("\xE2\x80\xA8|\xE2\x80\xA9"), "\"\\u2028|\\u2029\"");
    line_is(json_text("é 中 \xF0\x9F\x98\x80"), "\"é 中 \xF0\x9F\x98\x80\"");
}

static void bad_utf8_becomes_replacement(void **state)
{
    (void)state;
    line_is(json_text("a\xFF"
                      "b\xC3"),
            "\"a\xEF\xBF\xBD"
            "b\xEF\xBF\xBD\"");
    line_is(json_textn("a\0b", 3), "\"a\\u0000b\"");
}

static void error_line(void **state)
{
    (void)state;
    struct phi3v_error err;
    assert_int_equal(refuse(&err, PHI3V_E_IMAGE, "x\ny"), PHI3V_E_IMAGE);
    line_is(json_error(&err), "{\"error\":{\"code\":\"image\",\"message\":\"x\\ny\"}}");
}

/* What Python's json.dumps(..., indent=1, ensure_ascii=False) makes of the same. */
static void pretty_is_pythons(void **state)
{
    (void)state;
    static const char text[] = "{\n"
                               " \"a\": [],\n"
                               " \"b\": {},\n"
                               " \"c\": [\n"
                               "  1,\n"
                               "  0.1,\n"
                               "  0.30000000000000004,\n"
                               "  1e-05,\n"
                               "  100.0,\n"
                               "  1e+16,\n"
                               "  true,\n"
                               "  null,\n"
                               "  -3\n"
                               " ],\n"
                               " \"e\": \"\\u001b[0m \\\\u001B é\\n\"\n"
                               "}\n";
    struct phi3v_error err;
    json_t *value = json_parse(text, strlen(text), "text", &err);
    assert_non_null(value);
    char *again = json_pretty(value, NULL);
    assert_string_equal(again, text);
    free(again);
    json_decref(value);
}

static void parse_names_the_place(void **state)
{
    (void)state;
    struct phi3v_error err;
    assert_null(json_parse("{\n \"a\": }", 9, "x.json", &err));
    assert_int_equal(err.code, PHI3V_E_IO);
    assert_non_null(strstr(err.text, "x.json is not JSON: line 2"));
    static const char twice[] = "{\"a\": 1, \"a\": 2}"; /* which of them is meant? */
    assert_null(json_parse(twice, strlen(twice), "x.json", &err));
}

/* Marks of what is carried, where nothing is: values that were not read with json_exact_parse. They
 * are written as text that reads back the same. */
static void bare_marks_stay_text(void **state)
{
    (void)state;
#define MARK "\xEE\x83\xB5"
    static const char *const strings[] = {
        MARK,       MARK "n",     MARK "n12x",     "a" MARK "n12", MARK "n1" MARK,
        MARK "u12", MARK "uxyzw", MARK "\xC3\xA9", MARK MARK "m",  MARK "n1\"2\""};
    for (size_t i = 0; i < sizeof strings / sizeof *strings; i++) {
        struct phi3v_error err;
        json_t *value = json_pack("{s:[s],s:i}", "list", strings[i], strings[i], 1);
        char *text = json_exact_pretty(value, NULL);
        json_t *again = json_exact_parse(text, strlen(text), "text", NULL, &err);
        if (!again) fail_msg("%zu: %s in %s", i, err.text, text);
        char *same = json_exact_pretty(again, NULL);
        assert_string_equal(same, text);
        char *plain = json_exact_plain(strings[i]);
        json_t *string = json_string(plain); /* NULL when it is not UTF-8 */
        assert_non_null(string);
        json_decref(string);
        free(plain);
        free(same);
        free(text);
        json_decref(again);
        json_decref(value);
    }
    json_t *name = json_pack("{s:i}", MARK "n7", 1); /* a name stays a string */
    char *text = json_exact_pretty(name, NULL);
    assert_string_equal(text, "{\n \"" MARK "n7\": 1\n}\n");
    free(text);
    json_decref(name);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(controls_are_escaped),
                                       cmocka_unit_test(bad_utf8_becomes_replacement),
                                       cmocka_unit_test(error_line),
                                       cmocka_unit_test(pretty_is_pythons),
                                       cmocka_unit_test(parse_names_the_place),
                                       cmocka_unit_test(bare_marks_stay_text)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
