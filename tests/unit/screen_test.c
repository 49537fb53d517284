/* SPDX-License-Identifier: GPL-3.0-or-later
 * term/screen: which rows are still in sight. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include "term/screen.h"

static void test_rows(void **state)
{
    (void)state;
    struct term_facts facts = {.cols = 20, .rows = 5};
    int fd = open("/dev/null", O_WRONLY);
    struct screen *s = screen_open(fd, &facts);
    assert_non_null(s);
    FILE *f = screen_stream(s);
    assert_int_equal(screen_row(s), 0);
    fputs("one\r\n", f);
    assert_int_equal(screen_row(s), 1);
    fputs("a line of more than twenty columns\r\n", f); /* wraps */
    assert_int_equal(screen_row(s), 3);
    fputs("\033P0;1;0q\"1;1;10;10#0!10~\r\n\033\\\033[2A\033[1B\r", f); /* a picture has no rows */
    assert_int_equal(screen_row(s), 2);
    fputs("\033[2B", f);
    assert_true(screen_shows(s, 0));
    fputs("\n", f); /* the sixth row */
    assert_false(screen_shows(s, 0));
    assert_true(screen_shows(s, 1));
    facts.rows = 3; /* a smaller screen */
    assert_false(screen_shows(s, 2));
    facts.rows = 5;
    long row = screen_row(s);
    fputs("\033[0m\033[H\033[2J", f);
    for (long k = 0; k <= row; k++) assert_false(screen_shows(s, k)); /* all of it is gone */
    assert_true(screen_shows(s, screen_row(s)));
    fputs("more\r\n", f);
    row = screen_row(s);
    screen_lost(s);
    assert_false(screen_shows(s, row));
    screen_close(s);
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rows)};
    return cmocka_run_group_tests_name("screen", tests, NULL, NULL);
}
