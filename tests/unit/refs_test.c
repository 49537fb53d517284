/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a prompt refers to. */
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

#include "folder.h"
#include "notebook/refs.h"

/* -- References ----------------------------------------------------------------------------- */

static struct images pictures; // @1, @2 or @cover, @3

static int setup(void **state)
{
    static const char *const names[] = {NULL, "cover", NULL};
    (void)state;
    for (int i = 0; i < 3; i++) {
        struct loaded none = {0};
        int index;
        if (images_add(&pictures, &none, "x.png", names[i], NB_TYPED, &index, NULL)) return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    images_free(&pictures);
    return 0;
}

static bool are_pictures(const char *text)
{
    struct text words = {0};
    bool all = pictures_of(text, &words);
    text_free(&words);
    return all;
}

/* "kind start-end index|what" of each, joined by ";". */
static void refs_are(const char *text, const char *want)
{
    struct refs refs;
    struct phi3v_error err;
    struct text got = {0};
    static const char *const kind[] = {"picture", "load", "missing", "answer"};
    assert_int_equal(refs_find(text, &pictures, NB_TYPED, NULL, &refs, &err), 0);
    for (size_t i = 0; i < refs.n; i++) {
        const struct ref *r = &refs.v[i];
        text_addf(&got, "%s%s %.*s=", i ? ";" : "", kind[r->kind], (int)(r->end - r->start),
                  text + r->start);
        if (r->what)
            text_add(&got, r->what);
        else
            text_addf(&got, r->last > r->first ? "%d-%d" : "%d", r->first, r->last);
    }
    assert_string_equal(got.s ? got.s : "", want);
    text_free(&got);
    refs_free(&refs);
}

/* The same of texts that were made for it; takes them. */
static void refs_take(char *text, char *want)
{
    refs_are(text, want);
    free(text);
    free(want);
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
    refs_are("比较@1和@2", "picture @1=0;picture @2=1");
    refs_are("描述 @1？", "picture @1=0");
    refs_are("@1和@cover有什么不同", "picture @1=0;picture @cover=1");
    refs_are("@1-3 differ", "picture @1-3=0-2");
    refs_are("@1-shot, @1-9th", "picture @1=0;picture @1=0");
    refs_are("is=@1/@2?", "picture @1=0;picture @2=1");
}

static void references_to_files(void **state)
{
    (void)state;
    struct folder f;
    folder_make(&f);
    folder_puts(&f, "a b.png", "");
    const char *dir = f.path;
    char *path = text_format("%s/a b.png", dir), *text;
    refs_take(text_format("see @%s/a\\ b.png.", dir),
              text_format("load @%s/a\\ b.png=%s", dir, path));
    refs_take(text_format("see @\"%s\", ok", path), text_format("load @\"%s\"=%s", path, path));
    refs_take(text_format("what is in %s/a\\ b.png?", dir),
              text_format("load %s/a\\ b.png=%s", dir, path));
    refs_take(text_format("看@%s/a\\ b.png和我说", dir),
              text_format("load @%s/a\\ b.png=%s", dir, path));
    refs_take(text_format("比较%s/a\\ b.png和", dir),
              text_format("load %s/a\\ b.png=%s", dir, path));
    refs_take(text_format("@%s/a\\ b.png's\\ x", dir),
              text_format("load @%s/a\\ b.png=%s", dir, path));
    refs_take(text_format("@%s/a\\ b.png:what @file://%s/a%%20b.png@1", dir, dir),
              text_format("load @%s/a\\ b.png=%s;load @file://%s/a%%20b.png=file://%s/a%%20b.png;"
                          "picture @1=0",
                          dir, path, dir, dir));
    refs_take(text_format("`%s/a\\ b.png` (file:%s/a%%20b.png) %s/a\\ b.png.gz", dir, dir, dir),
              text_format("load %s/a\\ b.png=%s;load file:%s/a%%20b.png=file:%s/a%%20b.png", dir,
                          path, dir, dir));
    refs_take(text_format("@%s, and @%s's colours", path, path),
              text_format("load @%s=%s;load @%s=%s", path, path, path, path));
    text = text_format("'%s' \"%s\" %s/a\\ b.png", path, path, dir);
    assert_true(are_pictures(text));
    free(text);
    text = text_format("file://%s/a%%20b.png", dir);
    assert_true(are_pictures(text));
    free(text);
    folder_remove(&f);
    free(path);
}

static void missing_pictures(void **state)
{
    (void)state;
    static const char *const bad[] = {"look at @nowhere.png",
                                      "@7",
                                      "@1-9",
                                      "@./thing",
                                      "see @/no/such, ok",
                                      "@~/none.webp!",
                                      "@no.png's colour",
                                      "@no.png:what",
                                      "@file:///no/such"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct refs refs;
        struct phi3v_error err;
        assert_int_equal(refs_find(bad[i], &pictures, NB_TYPED, NULL, &refs, &err), PHI3V_E_IMAGE);
    }
}

static void plain_paths_stay_text(void **state)
{
    (void)state;
    refs_are("notes about /etc/passwd and chart.png that is not there",
             "missing chart.png=chart.png");
    refs_are("看chart.png (no.jpg) f(\"no.png\") *.png @1",
             "missing chart.png=chart.png;missing no.jpg=no.jpg;missing no.png=no.png;"
             "picture @1=0");
    refs_are("what is data:image/png;base64,AAAA now",
             "missing data:image/png;base64,AAAA=data:image/png;base64,AAAA");
    refs_are("https://example.org/a.png, see https://example.org/",
             "missing https://example.org/a.png=https://example.org/a.png");
    assert_false(are_pictures("/etc/passwd"));
    assert_false(are_pictures("hello"));
    assert_false(are_pictures(""));
    assert_true(are_pictures("https://example.org/a.png"));
}

/* The missing one of a text that is nothing but names; "": there is none. */
static void missing_alone_is(const char *text, const char *want)
{
    struct refs refs;
    assert_int_equal(refs_find(text, &pictures, NB_TYPED, NULL, &refs, NULL), 0);
    const struct ref *missing = refs_missing_alone(text, &refs);
    assert_string_equal(missing ? missing->what : "", want);
    refs_free(&refs);
}

static void names_alone(void **state)
{
    (void)state;
    missing_alone_is("no.png", "no.png");
    missing_alone_is(" /no/such.jpg\nno.png\n", "/no/such.jpg");
    missing_alone_is("what is no.png", "");
    missing_alone_is("@1 no.png", "");
    missing_alone_is("", "");
}

/* A file that is called like a handle does not take its place. */
static void handles_before_files(void **state)
{
    (void)state;
    static const char *const names[] = {"1", "cover", "cover.png", "other"};
    struct folder f;
    folder_make(&f);
    for (size_t i = 0; i < 4; i++) folder_puts(&f, names[i], "");
    assert_int_equal(chdir(f.path), 0);
    refs_are("@1 @cover @cover.png @other",
             "picture @1=0;picture @cover=1;load @cover.png=cover.png;load @other=other");
    assert_int_equal(chdir("/"), 0);
    folder_remove(&f);
}

/* A megabyte of anything is looked through once. */
static void long_texts(void **state)
{
    (void)state;
    enum { MEGABYTE = 1 << 20 };
    char *text = calloc(1, MEGABYTE + 1);
    assert_non_null(text);
    for (int c = 1; c < 128; c++) {
        struct refs refs;
        memset(text, c, MEGABYTE);
        assert_int_equal(refs_find(text, &pictures, NB_TYPED, NULL, &refs, NULL), 0);
        refs_free(&refs);
    }
    free(text);
}

static void tags(void **state)
{
    (void)state;
    assert_true(has_image_tag("x <|image_12|>"));
    assert_false(has_image_tag("<|image_|> <|image_1>"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(references),       cmocka_unit_test(references_to_files),
        cmocka_unit_test(missing_pictures), cmocka_unit_test(plain_paths_stay_text),
        cmocka_unit_test(names_alone),      cmocka_unit_test(handles_before_files),
        cmocka_unit_test(long_texts),       cmocka_unit_test(tags)};
    return cmocka_run_group_tests(tests, setup, teardown);
}
