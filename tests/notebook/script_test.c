/* SPDX-License-Identifier: GPL-3.0-or-later
 * :source: a file of lines is run as if it were typed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder.h"

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r, .n_pictures = 2};

static void runs_what_would_be_typed(void **state)
{
    (void)state;
    recorder_write("talk.phi", "#!/usr/bin/env phiscope\n:load a.ppm\n\nWhat is it? \\\nSay it.\n"
                               ":system \"\"\"Answer\nbriefly.\"\"\"\n\"\"\"\n:no command\n\"\"\"\n"
                               "!echo shell\r\n:set max_new_tokens 3");
    works(&r, ":source talk.phi");
    assert_int_equal(r.nb->book.n, 2);
    assert_string_equal(r.nb->book.v[0].prompt, "What is it? \nSay it.");
    assert_string_equal(r.nb->book.v[0].lines.v[0].text, ":load a.ppm");
    assert_string_equal(r.nb->book.v[1].prompt, ":no command");
    assert_saw(&r, "In [1]: What is it?  …");
    assert_saw(&r, "begin 1 @1");
    assert_saw(&r, "end 2");
    assert_int_equal(r.n_shell, 1);
    assert_int_equal(r.nb->now.max_new_tokens, 3);
    assert_int_equal(r.result.cell, 0); // the line itself is no cell
    /* What it left pending goes into the next cell, and the file is not needed again. */
    unlink("talk.phi");
    works(&r, "And now?");
    assert_string_equal(r.nb->book.v[2].lines.v[0].text, ":set max_new_tokens 3");
    works(&r, ":save n.ipynb\n:open n.ipynb\n:run all");
    assert_int_equal(r.nb->book.n, 3);
}

static void stops_at_what_fails(void **state)
{
    (void)state;
    recorder_write("bad.phi", "One\n:load nowhere.ppm\nTwo\n");
    fails(&r, ":source bad.phi", "nowhere.ppm");
    assert_int_equal(r.nb->book.n, 1);
    recorder_write("bad.phi", "Three\n/image a.ppm\nFour\n");
    fails(&r, ":source bad.phi\nFive", "nothing was sent");
    assert_int_equal(r.nb->book.n, 2);
    recorder_write("cut.phi", "Six\n\"\"\"and so on\n");
    recorder_try(&r, ":source cut.phi");
}

static void what_is_no_script(void **state)
{
    (void)state;
    static const struct {
        const char *name, *bytes, *why;
    } files[] = {
        {"picture.phi", "\x89PNG\r\n\x1A\n", "UTF-8"},
        {"wide.phi", "\xFF\xFE:\n", ""},
        {"itself.phi", ":source itself.phi\n", "may not use :source"},
        {"n.ipynb", "{}", "is a notebook"},
        {"b.jsonl", "{}\n", ""},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        recorder_write(files[i].name, files[i].bytes);
        char *line = text_format(":source %s", files[i].name);
        if (*files[i].why)
            fails(&r, line, files[i].why);
        else
            recorder_try(&r, line);
        free(line);
    }
    static const char *const empty[] = {"", "\n", "#!/bin/phiscope", "\n\n \n"};
    for (size_t i = 0; i < sizeof empty / sizeof *empty; i++) {
        int n = r.nb->book.n;
        recorder_write("empty.phi", empty[i]);
        works(&r, ":source empty.phi");
        assert_int_equal(r.nb->book.n, n);
    }
    fails(&r, ":source", "needs a file");
    fails(&r, ":source a b", "needs one file");
    fails(&r, ":source nowhere.phi", "nowhere.phi");
    assert_int_equal(mkfifo("pipe.phi", 0600), 0);
    fails(&r, ":source pipe.phi", "is a folder or a device");
    fails(&r, ":source .", "is a folder or a device");
    fails_as(&r, ":source talk.phi", NB_FILE, "may not use :source");
    fails_as(&r, ":source talk.phi", NB_REQUEST, "may not use :source");
    recorder_write("ok.phi", "One\n");
    works(&r, ":source ok.phi"); // after all these it works
}

static void leaves_and_stops(void **state)
{
    (void)state;
    recorder_write("quit.phi", "One\n:quit\nTwo\n");
    works(&r, ":source quit.phi\nThree");
    assert_true(r.result.quit);
    assert_int_equal(r.nb->book.n, 1);
    /* Whenever the person stops it, what was answered stays and nothing more is asked. */
    recorder_write("many.phi", "One\nTwo\nThree\nFour\n");
    for (long at = 0; at < 60; at += 3) {
        works(&r, ":reset");
        r.stop_after = at;
        recorder_eval(&r, ":source many.phi", NB_TYPED);
        bool stopped = r.stop_after == 0;
        r.stop_after = -1;
        if (stopped) assert_in_range(r.nb->book.n, 0, 4);
        works(&r, "And then?");
    }
}

#define TEST(name) RECORDER_TEST(name, &fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(runs_what_would_be_typed),
        TEST(stops_at_what_fails),
        TEST(what_is_no_script),
        TEST(leaves_and_stops),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
