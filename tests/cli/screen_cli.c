/* SPDX-License-Identifier: GPL-3.0-or-later
 * How much of a screen things take, with the built-in model and the samples: a terminal of 100 x 40
 * that knows sixel holds the README's three tasks with their pictures and answers, and three edits
 * take twelve rows. */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "drive.h"
#include "golden.h"

static struct pty *start(void)
{
    static const char *words[] = {"-m", NULL, "--dtype", "f32", NULL};
    words[1] = getenv("DEFAULT_MODEL");
    struct pty_options opt = {.cols = 100, .rows = 40, .attributes = "\033[?62;4;22c"};
    return pty_start_with(words, &opt);
}

/* Types a line and waits for the prompt of the next one. */
static void line(struct pty *p, const char *text, const char *prompt)
{
    pty_cursor(p, prompt, (int)strlen(prompt) + 1);
    pty_type(p, text);
    pty_type(p, "\r");
    pty_expect(p, "\033]133;D;0");
}

/* The first of the README's tasks: the prompt of the second cell comes next. */
static struct pty *start_on_the_chart(void)
{
    struct pty *p = start();
    line(p, ":load samples/chart.png", "In [1]:");
    line(p, "Could you please introduce this stock to me?", "In [1] @1:");
    return p;
}

/* Rows from the first that begins so to the last that does, or -1. */
static int rows_between(const char *screen, const char *first, const char *last)
{
    int from = -1, row = 0, to = -1;
    for (const char *at = screen; *at; at = strchr(at, '\n') + 1, row++) {
        if (from < 0 && !strncmp(at, first, strlen(first))) from = row;
        if (!strncmp(at, last, strlen(last))) to = row;
    }
    return from < 0 || to < 0 ? -1 : to - from;
}

static void three_tasks(void)
{
    struct pty *p = start_on_the_chart();
    line(p, ":load samples/book-cover.jpg", "In [2] @1:");
    line(p, "Help me get the title and author information of this book?", "In [2] @2:");
    line(p, ":load samples/compare-1.jpg samples/compare-2.jpg.webp", "In [3] @2:");
    line(p, "What is difference in this two images?", "In [3] @3 @4:");
    pty_cursor(p, "In [4] @3 @4:", 14);
    int rows = rows_between(pty_screen(p), "In [1]: :load", "In [4] @3 @4:");
    tap_ok(rows > 30 && rows < 40, "the three tasks stand on a screen of 40 rows (%d)", rows + 1);
    pty_type(p, "\004");
    pty_end(p);
}

static void three_edits(void)
{
    struct pty *p = start_on_the_chart();
    line(p, ":edit 1 Which bar is the highest?", "In [2] @1:");
    line(p, ":edit 1 What is the title?", "In [2] @1:");
    line(p, ":edit 1 Which bar is the lowest?", "In [2] @1:");
    pty_cursor(p, "In [2] @1:", 11);
    int rows =
        rows_between(pty_screen(p), "In [2] @1: :edit 1 Which bar is the highest?", "In [2] @1:");
    tap_ok(rows > 6 && rows <= 12, "three edits take %d rows", rows);
    pty_type(p, "\004");
    pty_end(p);
}

/* Each answer begins beside its picture: the strict model of the terminal would tell of text over
 * one. */
static void sheet(void)
{
    struct pty *p = start();
    line(p, ":foreach samples/compare-1.jpg samples/book-cover.jpg \"What is shown?\"", "In [1]:");
    pty_cursor(p, "In [1]:", 8);
    const char *screen = pty_screen(p);
    const char *first = strstr(screen, " samples/compare-1.jpg (1 of 2)\n");
    const char *second = strstr(screen, " samples/book-cover.jpg (2 of 2)\n");
    tap_ok(first && second && second > first, "names stand at the right of the pictures");
    tap_ok(second && strstr(second, "\n         ") && strstr(second, "(2 of 2 pictures answered)"),
           "and so do the answers");
    pty_type(p, "\004");
    pty_end(p);
}

/* After a change of the window's size an answer is drawn again, also where the next cell would see
 * its picture. */
static void resizing(void)
{
    struct pty *p = start();
    line(p, ":load samples/chart.png", "In [1]:");
    line(p, "What is the title?", "In [1] @1:");
    pty_cursor(p, "In [2] @1:", 11);
    pty_resize(p, 60, 30);
    tap_ok(pty_sees(p, "In [1]: What is the title?") && pty_cursor(p, "In [2] @1:", 11) &&
               rows_between(pty_screen(p), "In [1]: What", "In [2] @1:") > 3,
           "the cell and its picture stand on the new screen");
    pty_type(p, "\014");
    pty_wait(p, 200);
    tap_ok(pty_cursor(p, "In [2] @1:", 11) && strstr(pty_screen(p), "Out[1]:"), "and after Ctrl-L");
    pty_type(p, "\004");
    pty_end(p);
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    if (!getenv("DEFAULT_MODEL") || chdir(getenv("SOURCE_ROOT"))) {
        fprintf(stderr, "DEFAULT_MODEL and SOURCE_ROOT are not set; run this test through meson\n");
        return 1;
    }
    three_tasks();
    three_edits();
    sheet();
    resizing();
    return drive_done();
}
