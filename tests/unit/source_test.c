/* SPDX-License-Identifier: GPL-3.0-or-later
 * The one form of cells as text: commands, then the prompt. */
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

#include "notebook/source.h"

/* Reads text: commands and prompt, joined by "|". */
static void reads_as(const char *text, const char *want)
{
    struct source s;
    struct text got = {0};
    assert_int_equal(source_read(text, &s, NULL), 0);
    for (size_t i = 0; i < s.commands.n; i++) text_addf(&got, "%s|", s.commands.v[i]);
    text_add(&got, s.prompt);
    assert_string_equal(got.s, want);
    text_free(&got);
    source_free(&s);
}

static void reading(void **state)
{
    (void)state;
    reads_as("", "");
    reads_as("hello", "hello");
    reads_as(" two\nlines ", " two\nlines ");
    reads_as(":load a.png", ":load a.png|");
    reads_as(":load a.png\nWhat?", ":load a.png|What?");
    reads_as("\n\n  :load a.png\n\n\t:set seed 1\nWhat?", ":load a.png|:set seed 1|What?");
    reads_as(":load a.png\n\nWhat?", ":load a.png|\nWhat?");
    reads_as("What?\n:load is a command", "What?\n:load is a command");
    reads_as("::x", ":x");
    reads_as(" :) smile", " :) smile");
    reads_as("!ls\n?load\nx", "!ls|?load|x");
    reads_as(":system \"\"\"one\ntwo\"\"\"\nWhat?", ":system \"\"\"one\ntwo\"\"\"|What?");
    reads_as(":load a.png \\\nb.png\nWhat?", ":load a.png \\\nb.png|What?");
    reads_as("\"\"\"\n:not a command\n two\n\"\"\"", ":not a command\n two");
    reads_as("\"\"\"say \"\"\"hi\"\"\"\"\"\"", "say \"\"\"hi\"\"\"");
    reads_as("\"\"\"a\"\"\" b", "\"\"\"a\"\"\" b");
}

static void arguments(void **state)
{
    (void)state;
    static const char *const of[][2] = {{"a b ", "a b"},
                                        {"\"\"\"one\ntwo\"\"\"", "one\ntwo"},
                                        {"one\\\ntwo", "one\ntwo"},
                                        {"path\\ with", "path\\ with"},
                                        {"", ""}};
    for (size_t i = 0; i < sizeof of / sizeof *of; i++) {
        char *is = source_arguments(of[i][0]);
        assert_string_equal(is, of[i][1]);
        free(is);
    }
}

static uint32_t random_state = 1;
static uint32_t random_below(uint32_t n)
{
    random_state = random_state * 1664525u + 1013904223u;
    return (random_state >> 8) % n;
}

/* Whatever a prompt is, what is written for it is read as it and as no command. */
static void any_prompt_comes_back(void **state)
{
    static const char *const pieces[] = {":",  "::", "!",        "?",    "\"\"\"", "\"",
                                         "\n", " ",  "\\",       "load", "x",      "\t",
                                         "é",  "@1", "In [1]: ", "\n\n"};
    (void)state;
    for (int i = 0; i < 20000; i++) {
        struct text prompt = {0};
        text_add(&prompt, "");
        for (uint32_t n = random_below(8); n > 0; n--)
            text_add(&prompt, pieces[random_below(sizeof pieces / sizeof *pieces)]);
        text_add(&prompt, random_below(4) ? "." : "");
        char *written = source_of_prompt(prompt.s ? prompt.s : "");
        struct source s;
        assert_int_equal(source_read(written, &s, NULL), 0);
        assert_int_equal(s.commands.n, 0);
        assert_string_equal(s.prompt, prompt.s ? prompt.s : "");
        source_free(&s);
        free(written);
        text_free(&prompt);
    }
}

static void unfinished(void **state)
{
    (void)state;
    assert_false(source_incomplete("plain"));
    assert_true(source_incomplete("more \\"));
    assert_false(source_incomplete("path\\\\"));
    assert_true(source_incomplete("\"\"\"begun"));
    assert_false(source_incomplete("\"\"\"one\ntwo\"\"\""));
    assert_false(source_incomplete("say \"\"\" inside"));
    assert_true(source_incomplete(":system \"\"\"one"));
    assert_false(source_incomplete(":system \"\"\"one\"\"\""));
}

static void normal_is(const char *bytes, size_t n, const char *want)
{
    char *text;
    assert_int_equal(source_normalise(bytes, n, "it", &text, NULL), 0);
    assert_string_equal(text, want);
    free(text);
}

static void text_from_outside(void **state)
{
    struct phi3v_error err;
    char *text;
    (void)state;
    normal_is("a\r\nb\rc\nd", 8, "a\nb\nc\nd");
    normal_is("\xEF\xBB\xBFx\xEF\xBB\xBF", 7, "x\xEF\xBB\xBF");
    normal_is("caf\xC3\xA9 \xFF\xC3", 8, "caf\xC3\xA9 \xEF\xBF\xBD\xEF\xBF\xBD");
    assert_int_equal(source_normalise("\xFF\xFEh\0", 4, "it", &text, &err), PHI3V_E_ARGUMENT);
    assert_string_equal(err.text, "it is UTF-16: save it as UTF-8");
    assert_int_equal(source_normalise("a\0b", 3, "it", &text, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(source_of_file("caf\xE9", 4, "it", &text, &err), PHI3V_E_IO);
    assert_string_equal(err.text, "it is not UTF-8: it has another encoding, or is no text");
    assert_int_equal(source_of_file("caf\xC3\xA9\r", 6, "it", &text, &err), 0);
    assert_string_equal(text, "caf\xC3\xA9\n");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(reading), cmocka_unit_test(arguments),
                                       cmocka_unit_test(any_prompt_comes_back),
                                       cmocka_unit_test(unfinished),
                                       cmocka_unit_test(text_from_outside)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
