/* SPDX-License-Identifier: GPL-3.0-or-later
 * term/out: what a terminal gets and what a file gets, through each way out. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "fake_term.h"
#include "term/out.h"

#define HOSTILE "a\033]52;c;QQ==\a\xc2\x9b\x31m\u202eb\x9b\177\u2028c"

static void write_all(struct out *o)
{
    out_text(o, HOSTILE "\n", strlen(HOSTILE) + 1);
    out_format(o, "%s\n", HOSTILE);
    out_name(o, HOSTILE "\n");
    fputc('\n', o->file);
    out_styled(o, STYLE_PROMPT, HOSTILE);
    fputc('\n', o->file);
}

/* Everything through every function, on a terminal of each kind: the strict model finds no byte
 * that is not text or ours. */
static void test_terminal(void **state)
{
    (void)state;
    static const char *const names[] = {"xterm-256color", "dumb"};
    for (int i = 0; i < 2; i++) {
        struct fake_term f;
        struct out o;
        fake_term_open(&f, names[i], "none", 200, 24, 8, 16);
        out_init(&o, f.out, f.term);
        assert_true(o.terminal);
        assert_int_equal(o.facts != NULL, i == 0);
        write_all(&o);
        out_line(&o, HOSTILE, 4);
        out_json(&o, "[\"\xc2\x9b\u202e\177\U000e0041é\U0001f600\"]");
        assert_int_equal(out_clear(&o), i == 0);
        assert_int_equal(out_flush(&o), 0);
        for (size_t k = 0; k < f.n_bytes; k++) assert_true(f.bytes[k] != '\a');
        if (i == 1) assert_null(memchr(f.bytes, 033, f.n_bytes));
        assert_non_null(strstr(f.bytes, "a^[]52;c;QQ==^G"));
        assert_non_null(strstr(f.bytes, "\\u009b\\u202e\\u007f\\udb40\\udc41é\U0001f600"));
        assert_null(strstr(f.bytes, "\xc2\x9b"));
        assert_null(strstr(f.bytes, "\u202e"));
        assert_null(strstr(f.bytes, "\u2028"));
        if (i == 0) fake_term_show(&f);
        fake_term_close(&f);
    }
}

/* A file gets the true bytes. */
static void test_file(void **state)
{
    (void)state;
    char *bytes;
    size_t n;
    FILE *file = open_memstream(&bytes, &n);
    struct out o;
    out_init(&o, file, NULL);
    assert_false(o.terminal);
    write_all(&o);
    out_line(&o, HOSTILE, 4);
    out_json(&o, "[\"\xc2\x9b\"]");
    assert_false(out_clear(&o));
    assert_int_equal(out_flush(&o), 0);
    static const char wanted[] =
        HOSTILE "\n" HOSTILE "\n" HOSTILE "\n\n" HOSTILE "\n" HOSTILE "\n[\"\xc2\x9b\"]\n";
    assert_string_equal(bytes, wanted);
    fclose(file);
    free(bytes);
}

/* Lines longer than the screen are wrapped by words. */
static void test_wrapped(void **state)
{
    (void)state;
    struct fake_term f;
    struct out o;
    fake_term_open(&f, "xterm-256color", "none", 20, 24, 8, 16);
    out_init(&o, f.out, f.term);
    out_line(&o, "one two three four five six", 2);
    fake_term_show(&f);
    assert_string_equal(vt_row(f.vt, 0), "one two three four");
    assert_string_equal(vt_row(f.vt, 1), "  five six");
    fake_term_close(&f);
}

/* A full disk is told at every flush from then on. */
static void test_failure(void **state)
{
    (void)state;
    FILE *full = fopen("/dev/full", "w");
    if (!full) skip();
    struct out o;
    out_init(&o, full, NULL);
    assert_int_equal(out_flush(&o), 0);
    out_format(&o, "%d\n", 1);
    assert_int_equal(out_flush(&o), -1);
    assert_int_equal(out_flush(&o), -1);
    assert_string_equal(strerror(o.error), "No space left on device");
    fclose(full);
}

/* A name leads to its file, whatever it is called and wherever it is wrapped; text around it does
 * not. */
static void test_links(void **state)
{
    (void)state;
    char folder[] = "/tmp/phiscope-link-XXXXXX", path[200], line[300];
    static const char *const names[] = {"a.png", "b c%\033]8;;x\a \xc3\xa9\u202e.png", "\xff.png"};
    assert_non_null(mkdtemp(folder));
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        for (int k = 0; k < 3; k++) { /* xterm, one too narrow for the name, dumb */
            struct fake_term f;
            struct out o;
            fake_term_open(&f, k == 2 ? "dumb" : "xterm-256color", "none", k == 1 ? 24 : 200, 24, 8,
                           16);
            snprintf(path, sizeof path, "%s/%s", folder, names[i]);
            snprintf(line, sizeof line, "@1 %s: PNG", path);
            out_init(&o, f.out, f.term);
            out_line_about(&o, line, 2, path, path);
            out_flush(&o);
            assert_null(strstr(f.bytes, "\033]8;;file")); /* it is not there */
            fclose(fopen(path, "w"));
            out_line_about(&o, line, 2, path, path);
            out_flush(&o);
            assert_int_equal(strstr(f.bytes, "\033]8;;file://") != NULL, k < 2);
            if (k < 2) fake_term_show(&f);
            if (k < 2) assert_non_null(strstr(f.vt->link, "/phiscope-link-"));
            if (k < 2 && i == 0) assert_non_null(strstr(f.vt->link, "/a.png"));
            if (k < 2 && i == 1)
                assert_non_null(
                    strstr(f.vt->link, "/b%20c%25%1B%5D8%3B%3Bx%07%20%C3%A9%E2%80%AE.png"));
            if (k < 2 && i == 2) assert_non_null(strstr(f.vt->link, "/%FF.png"));
            fake_term_close(&f);
            remove(path);
        }
    }
    rmdir(folder);
}

/* Reports keep their columns where they are too wide. */
static void test_reports(void **state)
{
    (void)state;
    static const char report[] = "group\n  :name [n]       what it does, and for whom it is there\n"
                                 "\nshort\n  one long line without any columns, as it is\n"
                                 "          another one, that stands far in\n";
    static const char *const rows[] = {"group",
                                       "  :name [n]       what it does, and for",
                                       "                  whom it is there",
                                       "",
                                       "short",
                                       "  one long line without any columns, as",
                                       "  it is",
                                       "          another one, that stands far",
                                       "          in"};
    struct fake_term f;
    struct out o;
    fake_term_open(&f, "xterm-256color", "none", 41, 24, 8, 16);
    out_init(&o, f.out, f.term);
    out_report(&o, report, sizeof report - 1);
    out_report(&o, HOSTILE " and more of it, so that it is too long\n", strlen(HOSTILE) + 40);
    out_flush(&o);
    fake_term_show(&f);
    for (int i = 0; i < 9; i++) assert_string_equal(vt_row(f.vt, i), rows[i]);
    fake_term_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_terminal), cmocka_unit_test(test_file),
        cmocka_unit_test(test_links),    cmocka_unit_test(test_reports),
        cmocka_unit_test(test_wrapped),  cmocka_unit_test(test_failure),
    };
    return cmocka_run_group_tests_name("out", tests, NULL, NULL);
}
