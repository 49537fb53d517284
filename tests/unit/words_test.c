/* SPDX-License-Identifier: GPL-3.0-or-later
 * Typed lines: words, ranges, unfinished lines, references in prompts; names near to others;
 * options. */
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

#include "notebook/options.h"
#include "notebook/words.h"

static void words_are(const char *line, int n, const char *const *want)
{
    struct strings words;
    words_split(line, &words);
    assert_int_equal(words.n, n);
    for (int i = 0; i < n; i++) assert_string_equal(words.v[i], want[i]);
    strings_free(&words);
}

static void words(void **state)
{
    (void)state;
    words_are("", 0, NULL);
    words_are("  a\tb ", 2, (const char *[]){"a", "b"});
    words_are("my\\ dir/a\\ b.png \"c d\" 'e \\f' g\"h i\"", 4,
              (const char *[]){"my dir/a b.png", "c d", "e \\f", "gh i"});
    words_are("\"open quote", 1, (const char *[]){"open quote"});
    words_are("\"\" x", 2, (const char *[]){"", "x"});
}

static void quoting_comes_back(void **state)
{
    (void)state;
    static const char *const names[] = {"a b.png", "q\"'\\.png", "", "plain", "tab\there"};
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
    static const char *const bad[] = {"0",  "8",  "5-2", "2-9", "x", "",
                                      "3x", "-2", "2-x", "+1",  " 3"};
    struct phi3v_error err;
    int first, last;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_int_equal(range_parse(good[i].word, 7, &first, &last, &err), 0);
        assert_int_equal(first, good[i].first);
        assert_int_equal(last, good[i].last);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(range_parse(bad[i], 7, &first, &last, &err), PHI3V_E_ARGUMENT);
    assert_int_equal(range_parse("all", 0, &first, &last, &err), PHI3V_E_ARGUMENT);
    assert_string_equal(err.text, "there are no cells yet");
}

static void unfinished_lines(void **state)
{
    (void)state;
    assert_false(line_incomplete("plain"));
    assert_true(line_incomplete("more \\"));
    assert_false(line_incomplete("path\\\\"));
    assert_true(line_incomplete("\"\"\"begun"));
    assert_false(line_incomplete("\"\"\"one\ntwo\"\"\""));
    assert_false(line_incomplete("say \"\"\" inside"));
    char *text = line_unwrap("\"\"\"\none\n two\n\"\"\"");
    assert_string_equal(text, "one\n two");
    free(text);
    text = line_unwrap(" leading blank kept ");
    assert_string_equal(text, " leading blank kept ");
    free(text);
}

/* -- References ----------------------------------------------------------------------------- */

static int lookup(const char *name, void *user)
{
    (void)user;
    if (!strcmp(name, "1")) return 0;
    if (!strcmp(name, "2")) return 1;
    return strcmp(name, "cover") ? -1 : 1;
}

/* "kind start-end index|what" of each, joined by ";". */
static void refs_are(const char *text, const char *want)
{
    struct refs refs;
    struct phi3v_error err;
    struct text got = {0};
    static const char *const kind[] = {"picture", "load", "answer"};
    assert_int_equal(refs_find(text, lookup, NULL, &refs, &err), 0);
    for (size_t i = 0; i < refs.n; i++) {
        const struct ref *r = &refs.v[i];
        text_addf(&got, "%s%s %.*s=", i ? ";" : "", kind[r->kind], (int)(r->end - r->start),
                  text + r->start);
        if (r->what)
            text_add(&got, r->what);
        else
            text_addf(&got, "%d", r->index);
    }
    assert_string_equal(got.s ? got.s : "", want);
    text_free(&got);
    refs_free(&refs);
}

static void references(void **state)
{
    (void)state;
    refs_are("what is @1?", "picture @1=0");
    refs_are("@1 and @cover, (@2)", "picture @1=0;picture @cover=1;picture @2=1");
    refs_are("@cover's title", "picture @cover=1");
    refs_are("write to me@x.org or me@1", "");
    refs_are("hey @people, at @5pm", "");
    refs_are("{Out[3]} then {_}", "answer {Out[3]}=3;answer {_}=0");
    refs_are("{Out[x]} {Out[0]} {}", "");
    refs_are("@https://example.org/a.png, please",
             "load @https://example.org/a.png=https://example.org/a.png");
    refs_are("a\n@1", "picture @1=0");
    refs_are("@", "");
    refs_are("@types/node", "");
}

static void references_to_files(void **state)
{
    (void)state;
    char dir[] = "/tmp/phiscope-words-XXXXXX";
    assert_non_null(mkdtemp(dir));
    char *path = xasprintf("%s/a b.png", dir), *want, *text;
    fclose(fopen(path, "w"));
    text = xasprintf("see @%s/a\\ b.png.", dir);
    want = xasprintf("load @%s/a\\ b.png=%s", dir, path);
    refs_are(text, want);
    free(text);
    free(want);
    text = xasprintf("see @\"%s\", ok", path);
    want = xasprintf("load @\"%s\"=%s", path, path);
    refs_are(text, want);
    free(text);
    free(want);
    remove(path);
    rmdir(dir);
    free(path);
}

static void missing_pictures(void **state)
{
    (void)state;
    static const char *const bad[] = {"look at @nowhere.png", "@7", "@./thing", "see @/no/such, ok",
                                      "@~/none.webp!"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct refs refs;
        struct phi3v_error err;
        assert_int_equal(refs_find(bad[i], lookup, NULL, &refs, &err), PHI3V_E_IMAGE);
    }
}

static void tags(void **state)
{
    (void)state;
    assert_true(has_image_tag("x <|image_12|>"));
    assert_false(has_image_tag("<|image_|> <|image_1>"));
}

/* -- Names and options ---------------------------------------------------------------------- */

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
    struct options opt, copy;
    struct phi3v_error err;
    options_init(&opt);
    assert_int_equal(options_set(&opt, "top_k", "5", OPTION_SETTING, &err), 0);
    assert_int_equal(opt.top_k, 5);
    assert_int_equal(options_set(&opt, "top-p", "0.5", OPTION_SETTING, &err), 0);
    assert_int_equal(options_set(&opt, "stop", "END", OPTION_SETTING, &err), 0);
    assert_int_equal(options_set(&opt, "keep_special", "on", OPTION_SETTING, &err), 0);
    assert_true(opt.keep_special);
    options_copy(&copy, &opt);
    assert_string_equal(copy.stop.v[0], "END");
    assert_int_equal(options_set(&copy, "stop", "", OPTION_SETTING, &err), 0);
    assert_int_equal(copy.stop.n, 0);
    assert_int_equal(opt.stop.n, 1);
    options_free(&copy);
    static const char *const bad[][2] = {
        {"top_p", "1.5"},        {"temperature", "-1"}, {"temperature", "nan"}, {"top_k", "3x"},
        {"max_new_tokens", "0"}, {"seed", "-1"},        {"exif", "maybe"},      {"stop_mode", "x"},
        {"layout", ""},          {"no_such", "1"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_int_equal(options_set(&opt, bad[i][0], bad[i][1], OPTION_SETTING, &err),
                         PHI3V_E_ARGUMENT);
    assert_int_equal(opt.top_k, 5);
    options_free(&opt);
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
    assert_int_equal(opt.num_crops, 4);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(words),
                                       cmocka_unit_test(quoting_comes_back),
                                       cmocka_unit_test(ranges),
                                       cmocka_unit_test(unfinished_lines),
                                       cmocka_unit_test(references),
                                       cmocka_unit_test(references_to_files),
                                       cmocka_unit_test(missing_pictures),
                                       cmocka_unit_test(tags),
                                       cmocka_unit_test(nearest),
                                       cmocka_unit_test(option_values),
                                       cmocka_unit_test(command_lines)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
