/* SPDX-License-Identifier: GPL-3.0-or-later
 * term/view: what an edited text looks like, and that what is drawn step by step is the same as
 * what is drawn at once. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "fake_term.h"
#include "term/view.h"

static uint32_t random_state = 7;

static unsigned draw_number(unsigned n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % n;
}

static void draw(struct fake_term *f, struct view *v, const char *text, size_t point)
{
    struct view_text t = {.prompt = "In [1]: ", .text = text, .n = strlen(text), .point = point};
    view_draw(v, &t);
    fake_term_show(f);
}

static void assert_cursor(const struct fake_term *f, int y, int x)
{
    assert_int_equal(f->vt->y, y);
    assert_int_equal(f->vt->x, x);
}

static void test_rows(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "none", 30, 10, 8, 16);
    struct view *v = view_new(f.out, term_facts(f.term));
    draw(&f, v, "", 0);
    assert_string_equal(vt_row(f.vt, 0), "In [1]:");
    assert_cursor(&f, 0, 8);
    draw(&f, v, "a line that is too long for one row\nand\n", 40);
    assert_string_equal(vt_row(f.vt, 0), "In [1]: a line that is too lo");
    assert_string_equal(vt_row(f.vt, 1), "        ng for one row");
    assert_string_equal(vt_row(f.vt, 2), "   ...: and");
    assert_string_equal(vt_row(f.vt, 3), "   ...:");
    assert_cursor(&f, 3, 8);
    draw(&f, v, "\ta\001b\xc2\x9b\u202e\xff\u0301日本", 0);
    assert_string_equal(vt_row(f.vt, 0), "In [1]:         a^Ab<U+009B><");
    assert_string_equal(vt_row(f.vt, 1), "        U+202E>\ufffd日本");
    assert_string_equal(vt_row(f.vt, 2), "");
    assert_cursor(&f, 0, 8);
    struct view_text t = {.prompt = "In [1]: ", .text = "done", .n = 4};
    view_leave(v, &t);
    fake_term_show(&f);
    assert_string_equal(vt_row(f.vt, 0), "In [1]: done");
    assert_cursor(&f, 1, 0);
    draw(&f, v, "x", 1);
    view_erase(v);
    fake_term_show(&f);
    assert_string_equal(vt_row(f.vt, 1), "");
    assert_cursor(&f, 1, 0);
    view_free(v);
    fake_term_close(&f);
}

/* More rows than the screen has: those around the cursor. */
static void test_tall(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "none", 40, 6, 8, 16);
    struct view *v = view_new(f.out, term_facts(f.term));
    const char *text = "1\n2\n3\n4\n5\n6\n7\n8\n9";
    draw(&f, v, text, 17);
    assert_string_equal(vt_row(f.vt, 4), "   ...: 9");
    assert_cursor(&f, 4, 9);
    draw(&f, v, text, 0);
    assert_string_equal(vt_row(f.vt, 0), "In [1]: 1");
    assert_string_equal(vt_row(f.vt, 4), "   ...: 5");
    assert_cursor(&f, 0, 8);
    draw(&f, v, text, 8);
    assert_string_equal(vt_row(f.vt, 0), "In [1]: 1"); /* it moves only as far as it must */
    assert_cursor(&f, 4, 8);
    view_free(v);
    fake_term_close(&f);
}

/* Random edits: the screen is always what a fresh drawing would be. */
static void test_steps(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "a",       "bc ",    "\n", "日本",   "e\u0301",          "\t",
        "\033[2J", "\u202e", "😀",  "\u0301", "long words here ", "\xff"};
    static struct fake_term f, g;
    char text[400] = "";
    for (int wide = 0; wide < 2; wide++) {
        fake_term_open(&f, "xterm-256color", "none", wide ? 80 : 23, 12, 8, 16);
        struct view *v = view_new(f.out, term_facts(f.term));
        for (int i = 0; i < 400; i++) {
            const char *piece = pieces[draw_number(sizeof pieces / sizeof *pieces)];
            size_t n = strlen(text), at = draw_number((unsigned)n + 1);
            if (n + strlen(piece) > 150 || draw_number(4) == 0) {
                text[at] = 0;
            } else {
                memmove(text + at + strlen(piece), text + at, n - at + 1);
                memcpy(text + at, piece, strlen(piece));
            }
            size_t point = draw_number((unsigned)strlen(text) + 1);
            draw(&f, v, text, point);
            fake_term_open(&g, "xterm-256color", "none", wide ? 80 : 23, 12, 8, 16);
            struct view *fresh = view_new(g.out, term_facts(g.term));
            draw(&g, fresh, text, point);
            if (!strchr(vt_row(f.vt, 0), ':')) continue; /* scrolled: tops may differ */
            assert_int_equal(f.vt->x, g.vt->x);
            for (int y = 0; y < 12; y++) {
                char row[400];
                strcpy(row, vt_row(f.vt, y));
                if (f.vt->y == g.vt->y) assert_string_equal(row, vt_row(g.vt, y));
            }
            view_free(fresh);
            fake_term_close(&g);
        }
        view_free(v);
        fake_term_close(&f);
    }
}

/* A megabyte of any one character, a key after the other: under a second. */
static void test_huge(void **state)
{
    (void)state;
    static const char *const letters[] = {"a",      "\n",   " ",      "\t",  "日",
                                          "\u0301", "\033", "\u202e", "\xff"};
    for (size_t k = 0; k < sizeof letters / sizeof *letters; k++) {
        struct fake_term f;
        fake_term_open(&f, "xterm-256color", "none", 80, 24, 8, 16);
        struct view *v = view_new(f.out, term_facts(f.term));
        size_t size = strlen(letters[k]), n = (1 << 20) / size * size;
        char *text = malloc(n + 1);
        assert_non_null(text);
        for (size_t i = 0; i < n; i++) text[i] = letters[k][i % size];
        text[n] = 0;
        struct timespec begun, now;
        clock_gettime(CLOCK_MONOTONIC, &begun);
        for (int i = 0; i < 20; i++) draw(&f, v, text, n - (size_t)i * size);
        draw(&f, v, text, n / size / 2 * size);
        draw(&f, v, text, 0);
        clock_gettime(CLOCK_MONOTONIC, &now);
        double s =
            (double)(now.tv_sec - begun.tv_sec) + 1e-9 * (double)(now.tv_nsec - begun.tv_nsec);
        if (s > 1) print_message("letter %zu: 22 keys in %.2f s\n", k, s);
        assert_true(s < 10); /* sanitizers are slow */
        free(text);
        view_free(v);
        fake_term_close(&f);
    }
}

/* No sequence and one row where the terminal is dumb. */
static void test_dumb(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "dumb", "none", 20, 6, 8, 16);
    struct view *v = view_new(f.out, term_facts(f.term));
    char text[100] = "";
    for (int i = 0; i < 40; i++) {
        strcat(text, i % 7 ? "x" : "\n");
        draw(&f, v, text, strlen(text));
    }
    for (size_t point = strlen(text); point > 0; point--) draw(&f, v, text, point);
    draw(&f, v, text, 0);
    assert_string_equal(vt_row(f.vt, 0), "In [1]: ^Jxxxxxx^Jx");
    assert_cursor(&f, 0, 8);
    draw(&f, v, "", 0);
    assert_string_equal(vt_row(f.vt, 0), "In [1]:");
    fflush(f.out);
    assert_null(memchr(f.bytes, 033, f.n_bytes));
    view_free(v);
    fake_term_close(&f);
}

/* Where a prompt begins, where what is typed begins, and that it was sent; once each, wrapped or
 * not, dim or not; a message of the editor's is none. */
static void test_marks(void **state)
{
    (void)state;
    for (int cols = 12; cols < 60; cols += 13) {
        struct fake_term f;
        fake_term_open(&f, "xterm-256color", "none", cols, 10, 8, 16);
        struct view *v = view_new(f.out, term_facts(f.term));
        struct view_text t = {.prompt = "In [1] @1 @2 @3: ", .dim_from = 7, .dim_to = 15};
        view_draw(v, &t);
        fake_term_show(&f);
        assert_string_equal(f.vt->marks, "AB");
        t.text = "some words that are more than a row", t.n = t.point = strlen(t.text);
        view_draw(v, &t);
        t.dim_to = 0;
        view_draw(v, &t);
        struct view_text search = {.prompt = "(search) ", .is_message = true, .text = "w", .n = 1};
        view_draw(v, &search);
        fake_term_show(&f);
        view_draw(v, &t);
        view_send(v, &t);
        fake_term_show(&f);
        assert_int_equal(f.vt->marks[0], 'A');
        assert_null(strchr(f.vt->marks + 1, 'A'));
        assert_int_equal(f.vt->marks[strlen(f.vt->marks) - 1], 'C');
        view_draw(v, &search);
        fake_term_show(&f);
        assert_int_equal(f.vt->marks[strlen(f.vt->marks) - 1], 'C');
        view_free(v);
        vt_end(f.vt);
        assert_string_equal(f.vt->error, "");
        fake_term_close(&f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows),  cmocka_unit_test(test_marks), cmocka_unit_test(test_tall),
        cmocka_unit_test(test_steps), cmocka_unit_test(test_huge),  cmocka_unit_test(test_dumb),
    };
    return cmocka_run_group_tests_name("view", tests, NULL, NULL);
}
