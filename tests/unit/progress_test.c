/* SPDX-License-Identifier: GPL-3.0-or-later
 * term/progress: silent where nobody watches, one line of at most the terminal's width, erased at
 * the end. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <poll.h>
#include <pty.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "term/progress.h"

/* A pseudo-terminal, and what was written to it. */
struct screen {
    int master;
    FILE *out;
    char seen[4096];
};

static void open_screen(struct screen *s)
{
    int slave;
    assert_int_equal(openpty(&s->master, &slave, NULL, NULL, NULL), 0);
    s->out = fdopen(slave, "w");
    assert_non_null(s->out);
    setenv("TERM", "xterm", 1);
}

static const char *look(struct screen *s)
{
    struct pollfd p = {.fd = s->master, .events = POLLIN};
    ssize_t n = poll(&p, 1, 50) > 0 ? read(s->master, s->seen, sizeof s->seen - 1) : 0;
    s->seen[n > 0 ? n : 0] = 0;
    return s->seen;
}

static void close_screen(struct screen *s)
{
    fclose(s->out);
    close(s->master);
}

static void test_shown_and_erased(void **state)
{
    (void)state;
    struct screen s;
    struct progress p;
    open_screen(&s);
    progress_init(&p, s.out, 80, true);
    progress_update(&p, "loading", PROGRESS_BYTES, 1500000, 8300000000);
    progress_update(&p, "loading", PROGRESS_BYTES, 1600000, 8300000000); /* too soon */
    assert_string_equal(look(&s), "\rloading  1.5 MB of 8.30 GB\033[K");
    usleep(120000);
    progress_update(&p, "reading", PROGRESS_TOKENS, 10, 0);
    assert_string_equal(look(&s), "\rreading  10 tokens\033[K");
    usleep(120000);
    progress_update(&p, "reading", PROGRESS_TOKENS, 30, 40);
    assert_non_null(strstr(look(&s), "\rreading  30 tokens of 40 tokens  1"));
    assert_non_null(strstr(s.seen, " s left\033[K"));
    progress_clear(&p);
    assert_string_equal(look(&s), "\r\033[K");
    progress_clear(&p);
    assert_string_equal(look(&s), "");
    close_screen(&s);
}

static void test_first_second(void **state)
{
    (void)state;
    struct screen s;
    struct progress p;
    open_screen(&s);
    progress_init(&p, s.out, 0, false);
    progress_update(&p, "loading", PROGRESS_CROPS, 1, 5);
    assert_string_equal(look(&s), "");
    usleep(1050000);
    progress_update(&p, "loading", PROGRESS_CROPS, 2, 5);
    assert_non_null(strstr(look(&s), "loading  2 crops of 5 crops"));
    usleep(120000);
    progress_update(&p, "next", PROGRESS_CROPS, 1, 5); /* one wait, whatever its stages */
    assert_non_null(strstr(look(&s), "next  1 crops of 5 crops"));
    progress_clear(&p);
    look(&s);
    progress_update(&p, "again", PROGRESS_CROPS, 1, 5); /* a new wait begins */
    assert_string_equal(look(&s), "");
    close_screen(&s);
}

/* All stages of an answer on one scale. */
static void test_wait(void **state)
{
    (void)state;
    static const struct {
        int64_t done;
        double left_s;
        const char *line;
    } rows[] = {{340, 85, "\rreading ▕███       ▏ 34 % · first word in about 1:25\033[K"},
                {0, -1, "\rreading ▕          ▏ 0 %\033[K"},
                {999, 0.2, "\rreading ▕██████████▏ 100 % · first word in about 1 s\033[K"},
                {500, 59.4, "\rreading ▕█████     ▏ 50 % · first word in about 59 s\033[K"},
                {500, 59.6, "\rreading ▕█████     ▏ 50 % · first word in about 1:00\033[K"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct screen s;
        struct progress p;
        open_screen(&s);
        progress_init(&p, s.out, 80, true);
        progress_left(&p, rows[i].left_s);
        progress_update(&p, "reading", PROGRESS_SHARE, rows[i].done, 1000);
        assert_string_equal(look(&s), rows[i].line);
        close_screen(&s);
    }
}

static void test_narrow(void **state)
{
    (void)state;
    struct screen s;
    struct progress p;
    open_screen(&s);
    progress_init(&p, s.out, 12, true);
    progress_update(&p, "a long stage", PROGRESS_CROPS, 1, 2);
    assert_string_equal(look(&s), "\ra long stag\033[K");
    usleep(120000);
    ioctl(s.master, TIOCSWINSZ, &(struct winsize){.ws_row = 5, .ws_col = 7}); /* narrower since */
    progress_update(&p, "a long stage", PROGRESS_CROPS, 1, 2);
    assert_string_equal(look(&s), "\ra long\033[K");
    close_screen(&s);
}

static void test_silent(void **state)
{
    (void)state;
    struct screen s;
    struct progress p;
    FILE *file = tmpfile();
    progress_init(&p, file, 80, true);
    progress_update(&p, "loading", PROGRESS_BYTES, 1, 2);
    progress_clear(&p);
    assert_int_equal(ftell(file), 0);
    fclose(file);
    open_screen(&s);
    setenv("TERM", "dumb", 1);
    progress_init(&p, s.out, 80, true);
    progress_update(&p, "loading", PROGRESS_BYTES, 1, 2);
    assert_string_equal(look(&s), "");
    close_screen(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_shown_and_erased),
        cmocka_unit_test(test_first_second),
        cmocka_unit_test(test_wait),
        cmocka_unit_test(test_narrow),
        cmocka_unit_test(test_silent),
    };
    return cmocka_run_group_tests_name("progress", tests, NULL, NULL);
}
