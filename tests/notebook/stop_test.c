/* SPDX-License-Identifier: GPL-3.0-or-later
 * Ctrl-C in work that takes long: each kind asks whether it is to stop from its beginning on and
 * many times more, ends with one sentence at whichever question is answered with yes, and leaves
 * the notebook as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder.h"

enum { N_CELLS = 3000, MANY = 1 << 20 };

static struct recorder r;

static void write_notebook(const char *path)
{
    struct text t = {0};
    text_add(&t, "{\"cells\": [");
    for (int k = 0; k < N_CELLS; k++)
        text_addf(&t,
                  "%s{\"cell_type\": \"code\", \"execution_count\": %d, \"id\": \"cell-%d\", "
                  "\"metadata\": {\"phiscope\": {\"output_ids\": [1, 2, 3], \"text\": \"What "
                  "about %d?\"}}, \"outputs\": [{\"data\": {\"text/plain\": [\"An answer of some "
                  "length,\\n\", \"on two lines.\"]}, \"execution_count\": %d, \"metadata\": {}, "
                  "\"output_type\": \"execute_result\"}], \"source\": [\"What about %d?\"]}",
                  k ? "," : "", k + 1, k, k, k + 1, k);
    text_add(&t, "], \"metadata\": {}, \"nbformat\": 4, \"nbformat_minor\": 5}");
    recorder_write(path, t.s);
    text_free(&t);
}

static int set_up(void **state)
{
    (void)state;
    recorder_open(&r, false);
    recorder_picture(&r, "a.ppm", 1);
    write_notebook("large.ipynb");
    works(&r, "Hello");
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    recorder_close(&r);
    return 0;
}

/* Questions that the source asks when none is answered with yes; what it has done is undone. */
static long count_questions(const char *source, const char *undo)
{
    r.stop_after = MANY;
    works(&r, source);
    long n = MANY - r.stop_after;
    r.stop_after = -1;
    works(&r, undo);
    return n;
}

static void stops_anywhere(const char *source, const char *undo, long least)
{
    long n = count_questions(source, undo);
    int n_cells = r.nb->book.n;
    if (n < least) fail_msg("%.60s: only %ld questions", source, n);
    for (long at = 0; at < n; at += 1 + n / 20) {
        r.stop_after = at;
        fails(&r, source, "cancelled");
        r.stop_after = -1;
        assert_int_equal(r.err.code, PHI3V_E_CANCELLED);
        assert_int_equal(r.nb->book.n, n_cells);
    }
    works(&r, source);
    works(&r, undo);
}

static void opening(void **state)
{
    (void)state;
    stops_anywhere(":open large.ipynb", ":undo", 40);
}

static void saving(void **state)
{
    (void)state;
    works(&r, ":open large.ipynb");
    unlink("saved.ipynb");
    r.stop_after = 5;
    fails(&r, ":save saved.ipynb", "cancelled");
    r.stop_after = -1;
    assert_int_equal(access("saved.ipynb", F_OK), -1); // nor a part of it
    assert_int_equal(recorder_files(".", "saved"), 0);
    stops_anywhere(":save saved.ipynb", ":save! large.ipynb", 40);
    stops_anywhere(":save saved.json", ":save! large.ipynb", 1);
    works(&r, ":undo");
}

/* A thread decodes meanwhile, so how often is asked depends on the time. A second question comes
 * before numbers in letters are read. */
static void pictures(void **state)
{
    (void)state;
    struct text t = {0};
    text_add(&t, "P3 2000 2000 255\n");
    for (int k = 0; k < 2000 * 2000; k++) text_add(&t, "255 255 255\n");
    recorder_write("slow.ppm", t.s);
    text_free(&t);
    for (long at = 0; at < 2; at++) {
        r.stop_after = at;
        fails(&r, ":load slow.ppm", "cancelled");
        r.stop_after = -1;
        assert_int_equal(r.err.code, PHI3V_E_CANCELLED);
    }
    works(&r, ":load slow.ppm");
    works(&r, ":unstage");
    unlink("slow.ppm");
}

/* Before anything is computed; what is behind that keeps its part instead. */
static void prompts(void **state)
{
    (void)state;
    struct text t = {0};
    for (int k = 0; k < 1 << 15; k++) text_add(&t, "abcdefg ");
    for (r.stop_after = 0; r.stop_after < 3; r.stop_after++) {
        long at = r.stop_after;
        fails(&r, t.s, "cancelled");
        assert_int_equal(r.err.code, PHI3V_E_CANCELLED);
        assert_saw(&r, "next 0: abcdefg");
        assert_int_equal(r.nb->book.n, 1);
        r.stop_after = at;
    }
    r.stop_after = -1;
    text_free(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(opening), cmocka_unit_test(saving),
                                       cmocka_unit_test(pictures), cmocka_unit_test(prompts)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
