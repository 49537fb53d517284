/* SPDX-License-Identifier: GPL-3.0-or-later
 * :undo and :redo: whatever was done, every step back and forward again leads to the notebook that
 * was there, letter by letter. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notebook/ipynb.h"
#include "recorder.h"

static struct recorder r;
static struct recorder_fixture fixture = {.r = &r, .state = true, .n_pictures = 2};

/* The whole notebook, and what the next prompt takes. */
static char *look(void)
{
    char *file = ipynb_text(&r.nb->book, "m", NULL), *staged = nb_staged(r.nb, 0);
    assert_non_null(file);
    char *all = text_format("%s%s", file, staged);
    free(file);
    free(staged);
    return all;
}

/* all: what the next prompt takes, too. Halfway the lines of a cell that is gone are pending. */
static void is_as(const char *before, bool all)
{
    char *now = look();
    size_t n = (size_t)(strrchr(now, '\n') - now);
    if (all)
        assert_string_equal(now, before);
    else
        assert_int_equal(strncmp(now, before, n), 0);
    free(now);
}

static void there_and_back(void **state)
{
    (void)state;
    static const char *const done[] = {"One.",
                                       ":load a.ppm\n:set temperature 0.5\nTwo?",
                                       ":edit 1 Une.",
                                       ":fork 2@1=zebra",
                                       "Three {Out[1]}.",
                                       ":run 2-3",
                                       ":reset",
                                       ":load b.ppm as cover\n@cover Four?",
                                       ":reset all",
                                       "Five.",
                                       ":more 1"};
    enum { N = sizeof done / sizeof *done };
    char *seen[N + 2];
    int n = 0;
    works(&r, ":set max_new_tokens 6");
    seen[n++] = look();
    for (int k = 0; k < N; k++) {
        works(&r, done[k]);
        if (!strncmp(done[k], ":run 2-3", 8)) { /* two steps */
            works(&r, ":undo");
            seen[n++] = look();
            works(&r, ":redo");
        }
        seen[n++] = look();
    }
    assert_int_equal(n, N + 2);
    fails(&r, ":redo", "nothing to do again");
    for (int round = 0; round < 2; round++) {
        for (int k = n - 1; k > 0; k--) {
            is_as(seen[k], k == n - 1);
            works(&r, ":undo");
        }
        is_as(seen[0], false);
        fails(&r, ":undo", "nothing to take back");
        for (int k = 1; k < n; k++) {
            works(&r, ":redo");
            is_as(seen[k], k == n - 1);
        }
        fails(&r, ":redo", "nothing to do again");
    }
    for (int k = 0; k < n; k++) free(seen[k]);
}

static void a_change_ends_it(void **state)
{
    (void)state;
    works(&r, "One.");
    works(&r, "Two.");
    works(&r, ":undo");
    assert_saw(&r, "report: cell 2 is gone");
    works(&r, ":redo");
    assert_saw(&r, "report: cell 2 is there again");
    works(&r, ":undo");
    works(&r, "Deux.");
    fails(&r, ":redo", "nothing to do again");
    /* What only looks is none. */
    works(&r, ":undo");
    works(&r, ":cells");
    works(&r, ":redo");
    assert_int_equal(r.nb->book.n, 2);
}

/* Lines given since stay for the next prompt; without its own the cell cannot come back. */
static void pending_lines_are_kept(void **state)
{
    (void)state;
    works(&r, ":load a.ppm\nOne?");
    works(&r, ":undo");
    works(&r, ":load b.ppm");
    works(&r, ":redo");
    char *staged = nb_staged(r.nb, 0);
    assert_string_equal(staged, "@2");
    free(staged);
    assert_int_equal(r.nb->book.v[0].lines.n, 1);
    works(&r, ":undo");
    lines_free(&r.nb->book.pending);
    fails(&r, ":redo", "nothing to do again");
    assert_int_equal(r.nb->book.n, 0);
}

/* A failing or stopped run leaves nothing to do again. */
static void failures_leave_nothing(void **state)
{
    (void)state;
    works(&r, "One.");
    fails(&r, "And <|image_1|>?", "none is staged");
    fails(&r, ":redo", "nothing to do again");
    works(&r, ":undo");
    fails(&r, ":undo", "nothing to take back");
}

#define TEST(name) RECORDER_TEST(name, &fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {TEST(there_and_back), TEST(a_change_ends_it),
                                       TEST(pending_lines_are_kept), TEST(failures_leave_nothing)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
