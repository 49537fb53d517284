/* SPDX-License-Identifier: GPL-3.0-or-later
 * :foreach … to FILE goes on where the file ends: finished rows are not asked again and stay as they
 * are, whatever else stands between them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder.h"

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r, .n_pictures = 3};

static int setup(void **state)
{
    recorder_set_up(state);
    recorder_picture(&r, "d, e.ppm", 4);
    return 0;
}

static void same_files(const char *a, const char *b)
{
    char *one = recorder_read(a, NULL), *two = recorder_read(b, NULL);
    assert_non_null(one);
    assert_string_equal(one, two);
    free(one);
    free(two);
}

static void goes_on(const char *whole, const char *part)
{
    char line[200];
    snprintf(line, sizeof line, ":foreach *.ppm \"What?\" to %s", whole);
    works(&r, line);
    assert_saw(&r, "4 of 4 pictures answered");
    snprintf(line, sizeof line, ":foreach b.ppm a.ppm \"What?\" to %s", part);
    works(&r, line);
    snprintf(line, sizeof line, ":foreach *.ppm \"What?\" to %s", part);
    works(&r, line);
    assert_saw(&r, "note: (2 of these 4 pictures are in ");
    assert_saw(&r, "2 of 2 pictures answered");
    assert_not_saw(&r, "a.ppm (1 of 4)");
    assert_saw(&r, "c.ppm (3 of 4)");
    same_files(whole, part);
    /* Once more: nothing is left to ask. */
    int before = r.nb->engine.n_answers;
    works(&r, line);
    assert_int_equal(r.nb->engine.n_answers, before);
    same_files(whole, part);
    /* Rows of pictures that are not asked about stay. */
    snprintf(line, sizeof line, ":foreach c.ppm \"What?\" to %s", part);
    works(&r, line);
    char *text = recorder_read(part, NULL);
    assert_non_null(strstr(text, "a.ppm"));
    assert_non_null(strstr(text, "d, e.ppm"));
    free(text);
}

static void csv_goes_on(void **state)
{
    (void)state;
    goes_on("whole.csv", "part.csv");
}

static void jsonl_goes_on(void **state)
{
    (void)state;
    goes_on("whole.jsonl", "part.jsonl");
}

static void pictures_of_the_notebook_go_on(void **state)
{
    (void)state;
    works(&r, ":load a.ppm b.ppm");
    works(&r, ":foreach @1 \"What?\" to n.csv");
    works(&r, ":foreach @all \"What?\" to n.csv");
    assert_saw(&r, "1 of 1 pictures answered");
}

/* What a stop leaves is whole, and the rest comes with the next command. */
static void stopped_and_on(void **state)
{
    (void)state;
    enum { MANY = 100000, OF_ANSWERS = 80 };
    r.stop_after = MANY;
    works(&r, ":foreach *.ppm \"What?\" to whole.csv");
    long n_asked = MANY - r.stop_after;
    int n_stopped = 0, n_went_on = 0;
    for (long stop = 1; stop < n_asked; stop += stop < n_asked - OF_ANSWERS ? 40 : 4) {
        unlink("part.csv");
        r.stop_after = stop;
        int rc = recorder_eval(&r, ":foreach *.ppm \"What?\" to part.csv", NB_TYPED);
        r.stop_after = -1;
        assert_true(rc == 0 || rc == PHI3V_E_CANCELLED);
        n_stopped += saw(&r, "interrupted; ");
        works(&r, ":foreach *.ppm \"What?\" to part.csv");
        n_went_on += saw(&r, "pictures are in part.csv already") && !saw(&r, "(4 of these");
        same_files("whole.csv", "part.csv");
    }
    assert_true(n_stopped > 3 && n_went_on > 0);
}

static void failures_are_asked_again(void **state)
{
    (void)state;
    fails(&r, ":foreach a.ppm late.ppm \"What?\" to f.jsonl", "1 of 2 pictures gave no answer");
    recorder_picture(&r, "late.ppm", 9);
    works(&r, ":foreach a.ppm late.ppm \"What?\" to f.jsonl");
    assert_saw(&r, "1 of 1 pictures answered");
    char *text = recorder_read("f.jsonl", NULL);
    assert_null(strstr(text, "error"));
    free(text);
    recorder_write("i.csv", "picture,answer,finish_reason,error\r\na.ppm,\"half, \"\"an\"\"\n"
                            "answer\",interrupted,\r\nb.ppm,whole,stop,\r\n");
    works(&r, ":foreach a.ppm b.ppm \"What?\" to i.csv");
    assert_saw(&r, "1 of 1 pictures answered");
    text = recorder_read("i.csv", NULL);
    assert_null(strstr(text, "half"));
    assert_non_null(strstr(text, "b.ppm,whole,stop,\n"));
    free(text);
}

static void other_files_are_left_alone(void **state)
{
    (void)state;
    static const struct {
        const char *name, *text;
    } bad[] = {{"x.csv", "name,age\n"},
               {"x.csv", "picture,answer,finish_reason,error,mine\n"},
               {"x.csv", "picture,answer,finish_reason,error\na.ppm,x,stop\n"},
               {"x.csv", "picture,answer,finish_reason,error\na.ppm,\"x,stop,\n"},
               {"x.csv", "picture,answer,finish_reason,error\na.ppm,\"x\"y,stop,\n"},
               {"x.csv", "picture,answer,finish_reason,error\na,b,c,d,e\n"},
               {"x.jsonl", "{\"a\": 1}\n"},
               {"x.jsonl", "{\"picture\": \"a.ppm\"\n"},
               {"x.jsonl", "notes\n"},
               {"x.jsonl", "[]\n"}};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char line[100];
        recorder_write(bad[i].name, bad[i].text);
        snprintf(line, sizeof line, ":foreach a.ppm \"What?\" to %s", bad[i].name);
        fails(&r, line, "exists already and is no table of :foreach");
        char *text = recorder_read(bad[i].name, NULL);
        assert_string_equal(text, bad[i].text);
        free(text);
    }
    recorder_write("x.csv", "");
    works(&r, ":foreach a.ppm \"What?\" to x.csv");
}

#define TEST(name)                                                                                 \
    cmocka_unit_test_prestate_setup_teardown(name, setup, recorder_tear_down, &fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(csv_goes_on),
                                       TEST(jsonl_goes_on),
                                       TEST(pictures_of_the_notebook_go_on),
                                       TEST(stopped_and_on),
                                       TEST(failures_are_asked_again),
                                       TEST(other_files_are_left_alone)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
