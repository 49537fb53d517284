/* SPDX-License-Identifier: GPL-3.0-or-later
 * The words of commands, and ranges of cells. */
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
#include <jansson.h>

#include "notebook/words.h"

static void words_are(const char *line, int n, const char *const *want)
{
    struct words words;
    assert_int_equal(words_split(line, &words, NULL), 0);
    assert_int_equal(words.n, n);
    for (int i = 0; i < n; i++) assert_string_equal(words.v[i].text, want[i]);
    words_free(&words);
}

static void words(void **state)
{
    (void)state;
    words_are("", 0, NULL);
    words_are("  a\tb ", 2, (const char *[]){"a", "b"});
    words_are("my\\ dir/a\\ b.png \"c d\" 'e \\f' g\"h i\"", 4,
              (const char *[]){"my dir/a b.png", "c d", "e \\f", "gh i"});
    words_are("\"open quote", 1, (const char *[]){"open quote"});
    words_are("http://h/it's.png 'x y'", 2, (const char *[]){"http://h/it's.png", "x y"});
    words_are("<https://h/it's a.png> b", 2, (const char *[]){"<https://h/it's a.png>", "b"});
    words_are("<http://h/a b <c 'd e'", 4, (const char *[]){"<http://h/a", "b", "<c", "d e"});
    words_are("file:///t/it's%20a.png b", 2, (const char *[]){"file:///t/it's%20a.png", "b"});
    words_are("http://h/it\\'s\\?a", 1, (const char *[]){"http://h/it's?a"});
    words_are("\"\" x", 2, (const char *[]){"", "x"});
}

/* As shells write what cannot be typed, also next to other quotes. */
static void escapes_are_undone(void **state)
{
    (void)state;
    words_are("$'a\\nb.png' 'a'$'\\n''b.png' $'\\x1b\\x7F\\t\\'\\\\'", 3,
              (const char *[]){"a\nb.png", "a\nb.png", "\x1b\x7f\t'\\"});
    words_are("$'open \\n", 1, (const char *[]){"$open \\n"});
    words_are("$'\\x' $'\\xg' $'\\x00' $'\\q' \"$'\\n'\"", 5,
              (const char *[]){"\\x", "\\xg", "\\x00", "\\q", "$'n'"});
}

/* Any name comes back from its quoted form, which is one line without a control character. */
static void any_name_comes_back(void **state)
{
    (void)state;
    static const char some[] = "a \n\r\t\x01\x1b\x7f'\"\\$@*?[]é\xff:-$'";
    unsigned seed = 1;
    for (int k = 0; k < 20000; k++) {
        char name[12], *quoted;
        size_t n = 1 + (size_t)k % (sizeof name - 1);
        for (size_t i = 0; i < n; i++) {
            seed = seed * 1103515245 + 12345;
            name[i] = some[(seed >> 16) % (sizeof some - 1)];
        }
        name[n] = 0;
        quoted = word_quote(name);
        if (word_needs_escapes(quoted)) fail_msg("a byte that cannot be typed: %s", quoted);
        struct words w;
        assert_int_equal(words_split(quoted, &w, NULL), 0);
        if (w.n != 1 || strcmp(w.v[0].text, name)) fail_msg("\"%s\" became %s", name, quoted);
        words_free(&w);
        free(quoted);
        char *text = name_as_text(name), *again = name_of_text(text);
        json_t *value = json_string(text); /* NULL: not UTF-8 */
        if (!value || strcmp(again, name)) fail_msg("\"%s\" became %s", name, text);
        json_decref(value);
        free(again);
        free(text);
    }
}

static void quotes_are_known(void **state)
{
    (void)state;
    struct words w;
    assert_int_equal(words_split("plain \"d q\" 's q' b\\ s mid\"dle\"", &w, NULL), 0);
    static const bool quoted[] = {false, true, true, true, true};
    static const char quote[] = {0, '"', '\'', 0, 0};
    for (int i = 0; i < 5; i++) {
        assert_int_equal(w.v[i].quoted, quoted[i]);
        assert_int_equal(w.v[i].quote, quote[i]);
    }
    words_free(&w);
}

/* What is quoted is never part of a pattern; NULL: the word is none. */
static void patterns(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"*.png", "*.png"},
        {"a?[bc].png", "a?[bc].png"},
        {"'My Dir/'*.png", "My Dir/*.png"},
        {"My\\ Dir/*.png", "My Dir/*.png"},
        {"'photo[1]'*", "photo\\[1\\]*"},
        {"C:\\me\\*.png", "C:\\\\me\\\\*.png"},
        {"\"*.png\"", NULL},
        {"\\*.png", NULL},
        {"$'*'.png", NULL},
        {"a].png", NULL},
        {"http://h/a?b", NULL},
        {"a.png", NULL},
    };
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        struct words w;
        assert_int_equal(words_split(table[i][0], &w, NULL), 0);
        assert_int_equal(w.n, 1);
        if (table[i][1])
            assert_string_equal(w.v[0].pattern ? w.v[0].pattern : "none", table[i][1]);
        else
            assert_null(w.v[0].pattern);
        words_free(&w);
    }
}

static void quoting_comes_back(void **state)
{
    (void)state;
    static const char *const names[] = {"a b.png",   "q\"'\\.png",   "", "plain",
                                        "tab\there", "photo[1].png", "*"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *quoted = word_quote(names[i]);
        words_are(quoted, 1, &names[i]);
        free(quoted);
    }
}

static void ranges(void **state)
{
    (void)state;
    static const struct {
        const char *word;
        int first, last;
    } good[] = {{"3", 3, 3}, {"2-5", 2, 5}, {"4-", 4, 7}, {"all", 1, 7}, {"_", 7, 7}};
    static const char *const none[] = {"x",   "",     "3x",   "-2",   "2-x",  "+1",  " 3",
                                       "5-2", "2--5", "2-+5", "2- 5", "2-5-", "2--", "1,2"};
    static const struct {
        const char *word;
        int missing;
    } beyond[] = {{"0", 0}, {"8", 8}, {"2-9", 9}, {"8-9", 8}, {"8-", 8}, {"0-3", 0}};
    struct phi3v_error err;
    int first, last;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(range_parse(good[i].word, 7, &first, &last, &err), 0);
        assert_int_equal(first, good[i].first);
        assert_int_equal(last, good[i].last);
    }
    for (size_t i = 0; i < sizeof none / sizeof *none; i++) {
        assert_int_equal(range_parse(none[i], 7, &first, &last, &err), PHI3V_E_ARGUMENT);
        assert_non_null(strstr(err.text, "is not a range of cells"));
    }
    for (size_t i = 0; i < sizeof beyond / sizeof *beyond; i++) {
        char said[80];
        snprintf(said, sizeof said, "there is no cell %d: they go from 1 to 7", beyond[i].missing);
        assert_int_equal(range_parse(beyond[i].word, 7, &first, &last, &err), PHI3V_E_ARGUMENT);
        assert_string_equal(err.text, said);
    }
    assert_int_equal(range_parse("all", 0, &first, &last, &err), PHI3V_E_ARGUMENT);
    assert_string_equal(err.text, "there are no cells yet");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words),
                                       cmocka_unit_test(escapes_are_undone),
                                       cmocka_unit_test(any_name_comes_back),
                                       cmocka_unit_test(quotes_are_known),
                                       cmocka_unit_test(patterns),
                                       cmocka_unit_test(quoting_comes_back),
                                       cmocka_unit_test(ranges)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
