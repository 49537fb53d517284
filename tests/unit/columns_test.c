/* SPDX-License-Identifier: GPL-3.0-or-later
 * Two texts side by side on a strict terminal model: each stays in its column, nothing is lost, the
 * cursor ends below both. */
#define _POSIX_C_SOURCE 200809L
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "fake_term.h"
#include "term/columns.h"

static void side_by_side(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "none", 100, 24, 10, 20);
    struct span left[] = {{"Out[1]: ", 8, STYLE_LABEL}, {"one ", 4, 0}, {"two", 3, STYLE_GONE}};
    struct span right[] = {{"Out[2]: ", 8, STYLE_LABEL}, {"one ", 4, 0}, {"three", 5, STYLE_NEW}};
    assert_true(columns_show(term_facts(f.term), f.out, left, 3, right, 3));
    fputs("In [3]: ", f.out);
    fflush(f.out);
    assert_non_null(strstr(f.bytes, "two\033[0m"));
    fake_term_show(&f);
    assert_string_equal(vt_row(f.vt, 0),
                        "Out[1]: one two                                    Out[2]: one three");
    assert_string_equal(vt_row(f.vt, 1), "In [3]:");
    fake_term_close(&f);
}

/* The words of a column of the screen, in order. */
static void words_of(const struct vt *vt, int from, int to, int rows, char *ret)
{
    for (int y = 0; y < rows; y++)
        for (int x = from; x < to; x++)
            if (vt->cells[y][x].cp > ' ') *ret++ = (char)vt->cells[y][x].cp;
    *ret = 0;
}

static void any_width(void **state)
{
    (void)state;
    static const char long_text[] =
        "The quick brown fox jumps over the lazy dog again and again until the column is full and "
        "the text goes on below.\nAnd\n\nSupercalifragilisticexpialidociousandmuchmorethanthatfits"
        "intoonecolumnofanarrowterminalwhateveritswidthmaybeandthensomemoreofit.";
    char wanted[400], seen[400];
    size_t n = 0;
    for (const char *p = long_text; *p; p++)
        if (*p > ' ') wanted[n++] = *p;
    wanted[n] = 0;
    for (int cols = 100; cols <= 200; cols += 7) {
        struct fake_term f;
        fake_term_open(&f, "xterm-256color", "none", cols, 40, 10, 20);
        struct span a = {long_text, sizeof long_text - 1, 0}, b = {"short", 5, 0};
        bool swap = cols % 2;
        assert_true(columns_show(term_facts(f.term), f.out, swap ? &b : &a, 1, swap ? &a : &b, 1));
        fake_term_show(&f);
        int middle = (cols - 4) / 2;
        words_of(f.vt, swap ? middle + 3 : 0, swap ? cols : middle, f.vt->y, seen);
        assert_string_equal(seen, wanted);
        words_of(f.vt, swap ? 0 : middle + 3, swap ? middle : cols, f.vt->y, seen);
        assert_string_equal(seen, "short");
        words_of(f.vt, middle, middle + 3, f.vt->y, seen);
        assert_string_equal(seen, "");
        assert_int_equal(f.vt->x, 0);
        fake_term_close(&f);
    }
}

static void hostile_text_is_cleaned(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "none", 100, 24, 10, 20);
    struct span a = {"a\033]0;x\a\033[2Jb\r\nc", 16, 0}, none = {"", 0, 0};
    assert_true(columns_show(term_facts(f.term), f.out, &a, 1, &none, 1));
    assert_true(columns_show(term_facts(f.term), f.out, &none, 1, &none, 1));
    fake_term_show(&f); /* fails on what the program may not send */
    fake_term_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(side_by_side), cmocka_unit_test(any_width),
                                       cmocka_unit_test(hostile_text_is_cleaned)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
