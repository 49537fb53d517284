/* SPDX-License-Identifier: GPL-3.0-or-later
 * Which rows that were written are still on the screen. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "term/screen.h"
#include "vt.h"

static struct term_facts facts = {.cols = 20, .rows = 6};
static int ends[2];

static struct screen *open_screen(void)
{
    assert_int_equal(pipe(ends), 0);
    struct screen *s = screen_open(ends[1], &facts);
    assert_non_null(s);
    return s;
}

static void close_screen(struct screen *s)
{
    screen_close(s);
    close(ends[0]);
    close(ends[1]);
}

static void rows_of_text(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        long row;
    } cases[] = {{"", 0},
                 {"one\ntwo\r\nthree", 2},
                 {"exactly twenty chars", 0},
                 {"exactly twenty chars!", 1},
                 {"\033[1mbold\033[0m\n", 1},
                 {"日本語の文章はどこで折る", 1},
                 {"a\nb\nc\033[2Ad", 0},
                 {"a\033[3Bb", 3},
                 {"\033]0;a title\nof a window\007x\n", 1},
                 {"\033P0;1;0q#0!9~-\n-~\033\\\n", 1},
                 {"\033_Gm=0;AAAA\033\\\n", 1},
                 {"a\n\0337b\n\n\0338", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct screen *s = open_screen();
        fputs(cases[i].text, screen_stream(s));
        assert_int_equal(screen_row(s), cases[i].row);
        close_screen(s);
    }
}

static void rows_scroll_away(void **state)
{
    (void)state;
    struct screen *s = open_screen();
    FILE *out = screen_stream(s);
    for (int i = 0; i < 5; i++) fputs("line\n", out);
    assert_true(screen_shows(s, 0));
    fputs("line\n", out);
    assert_false(screen_shows(s, 0));
    assert_true(screen_shows(s, 1));
    fputs("\033[H\033[2Jnew", out);
    assert_false(screen_shows(s, 0));
    assert_true(screen_shows(s, screen_row(s)));
    long row = screen_row(s);
    screen_lost(s);
    assert_false(screen_shows(s, row));
    close_screen(s);
}

/* Against the model of a terminal: the cursor's row is the same wherever it ends. */
static void as_a_terminal(void **state)
{
    static const char *const pieces[] = {"word ",   "\r\n", "\r",      "\033[2A", "\033[B",
                                         "\033[5C", "日本", "\033[1m", "x"};
    uint32_t random = 1;
    (void)state;
    for (int round = 0; round < 200; round++) {
        struct screen *s = open_screen();
        struct vt *vt = vt_new(20, 6, 8, 16);
        long scrolled = 0;
        for (int i = 0; i < 40; i++) {
            random = random * 1664525u + 1013904223u;
            const char *piece = pieces[(random >> 16) % (sizeof pieces / sizeof *pieces)];
            /* Our own output never moves above or below what it has written. */
            if (!strcmp(piece, "\033[2A") && vt->y < 2) continue;
            if (!strcmp(piece, "\033[B") && vt->y == 5) continue;
            if (!strcmp(piece, "\033[5C") && vt->x > 10) continue;
            if (strcmp(piece, "\r\n") != 0 && vt->x > 13) piece = "\r\n";
            int y = vt->y;
            vt_feed(vt, piece, strlen(piece));
            if (!strcmp(piece, "\r\n") && y == 5) scrolled++;
            fputs(piece, screen_stream(s));
            assert_int_equal(screen_row(s), vt->y + scrolled);
        }
        vt_free(vt);
        close_screen(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(rows_of_text),
                                       cmocka_unit_test(rows_scroll_away),
                                       cmocka_unit_test(as_a_terminal)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
