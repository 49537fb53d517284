/* SPDX-License-Identifier: GPL-3.0-or-later
 * term/layout and term/stream on a strict terminal model: text never touches a picture, no line is
 * wrapped by the terminal, nothing is lost, the cursor ends below everything. */
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
#include "term/stream.h"

/* Every vowel of a longer text, without layout: the words in order. */
static void words_only(const char *s, char *to)
{
    bool blank = true;
    for (; *s; s++) {
        bool now = *s == ' ' || *s == '\n' || *s == '\t';
        if (now && !blank) *to++ = ' ';
        if (!now) *to++ = *s;
        blank = now;
    }
    if (!blank) *to++ = ' ';
    *to = 0;
}

static void expect_words(struct fake_term *f, const char *text)
{
    static char wanted[VT_TEXT], got[VT_TEXT];
    words_only(text, wanted);
    words_only(vt_text(f->vt), got);
    if (strcmp(wanted, got) != 0) fail_msg("wanted: %s\ngot: %s", wanted, got);
}

static void stream_all(struct stream *s, const char *text, size_t piece)
{
    for (size_t n = strlen(text), at = 0; at < n; at += piece)
        stream_text(s, text + at, n - at < piece ? n - at : piece);
}

static void print_lines(struct fake_term *f, int n)
{
    for (int i = 0; i < n; i++) fputs(".\r\n", f->out);
}

static void test_beside(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "sixel", 80, 24, 10, 20);
    struct picture p = quarters(200, 100); /* 20 x 5 cells */
    struct stream_options opt = {.term = f.term, .out = f.out, .pictures = &p, .n_pictures = 1};
    struct stream *s = stream_new(&opt);
    static const char below[] =
        "Below the picture a line may be as long as the screen is wide, less "
        "one column. So.";
    assert_int_equal(sizeof below - 1, 79 + sizeof " So." - 1);
    stream_all(s, "First line.\nSecond.\n\n\nFifth.\n", 4);
    stream_all(s, below, 4);
    stream_end(s);
    stream_free(s);
    fake_term_show(&f);
    assert_int_equal(f.vt->n_pictures, 1);
    assert_string_equal(vt_row(f.vt, 0), "                      First line.");
    assert_string_equal(vt_row(f.vt, 4), "                      Fifth.");
    assert_int_equal(strncmp(vt_row(f.vt, 5), below, 79), 0);
    assert_string_equal(vt_row(f.vt, 6), "So.");
    assert_int_equal(f.vt->y, 7);
    assert_int_equal(f.vt->x, 0);
    fake_term_close(&f);
    free((void *)p.rgb);
}

static void begins_below(int cols, enum stream_layout layout)
{
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "sixel", cols, 24, 10, 20);
    struct picture p = quarters(200, 100);
    struct stream_options opt = {
        .term = f.term, .out = f.out, .pictures = &p, .n_pictures = 1, .layout = layout};
    struct stream *s = stream_new(&opt);
    stream_all(s, "Yes.", 4);
    stream_end(s);
    stream_free(s);
    fake_term_show(&f);
    int y = 0;
    while (y < 23 && !*vt_row(f.vt, y)) y++;
    assert_string_equal(vt_row(f.vt, y), "Yes.");
    fake_term_close(&f);
    free((void *)p.rgb);
}

/* By itself text goes beside pictures from 80 columns on; when asked to, as long as it is not
 * squeezed there. */
static void test_narrow_screens(void **state)
{
    (void)state;
    begins_below(79, STREAM_AUTO);
    begins_below(30, STREAM_BESIDE);
}

/* Further rows of an item stand below its first letter; those of what follows do not. */
static void test_indents(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "none", 30, 24, 8, 16);
    struct stream *s = stream_new(&(struct stream_options){.term = f.term, .out = f.out});
    stream_all(s, "- an item that has more words than a row\nA paragraph that has more of them", 3);
    stream_end(s);
    stream_free(s);
    fake_term_show(&f);
    static const char *const rows[] = {"• an item that has more words", "  than a row",
                                       "A paragraph that has more of", "them"};
    for (int i = 0; i < 4; i++) assert_string_equal(vt_row(f.vt, i), rows[i]);
    fake_term_close(&f);
}

static void test_short_answer(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "sixel", 80, 24, 10, 20);
    struct picture p = quarters(200, 100);
    print_lines(&f, 23);       /* the bottom of a full screen */
    char label[] = "Out[1]: "; /* the caller's, and gone before the first text */
    struct stream_options opt = {
        .term = f.term, .out = f.out, .pictures = &p, .n_pictures = 1, .label = label};
    struct stream *s = stream_new(&opt);
    memset(label, 'x', sizeof label - 1);
    stream_all(s, "Yes.", 1);
    stream_end(s);
    stream_free(s);
    fputs("In [2]: ", f.out);
    fake_term_show(&f);
    assert_string_equal(vt_row(f.vt, 18), "                      Out[1]: Yes.");
    assert_string_equal(vt_row(f.vt, 23), "In [2]:");
    fake_term_close(&f);
    free((void *)p.rgb);
}

static const char long_text[] =
    "The quick brown fox jumps over the lazy dog, again and again, until the column beside the "
    "picture "
    "is full and the text goes on below "
    "it.\n\nSupercalifragilisticexpialidociousandmuchmorethanthatfits"
    "intooneline of a narrow terminal.\n\tA tab, and "
    "日本語の文章はどこでも折り返すことができます。Grüße e\u0301e\u0301e\u0301.\n"
    "Many short words a b c d e f g h i j k l m n o p q r s t u v w x y z and so on to the very "
    "end of "
    "this text, which is long enough to scroll a small screen.\n";

/* Random screens, pictures, starting rows and pieces. */
static void test_any_screen(void **state)
{
    (void)state;
    uint32_t random = 7;
    static const char *const graphics[] = {"sixel", "blocks", "ascii", "none"};
    for (int round = 0; round < 150; round++) {
        int r[8];
        for (int i = 0; i < 8; i++) {
            random = random * 1664525 + 1013904223;
            r[i] = (int)(random >> 16);
        }
        struct fake_term f;
        fake_term_open(&f, "xterm-256color", graphics[round % 4], 12 + r[0] % 120, 5 + r[1] % 40,
                       6 + r[2] % 6, 12 + r[2] % 9);
        f.vt->after = (enum vt_after_picture)(r[3] % 3);
        struct picture p[3];
        for (int i = 0; i < 3; i++) p[i] = quarters(1 + r[4 + i] % 300, 1 + r[5 + i] % 300);
        print_lines(&f, r[6] % 50);
        struct stream_options opt = {.term = f.term, .out = f.out, .pictures = p, .verbatim = true};
        opt.n_pictures = r[7] % 4;
        opt.layout = (enum stream_layout)(r[1] % 3);
        struct stream *s = stream_new(&opt);
        f.vt->n_text = 0;
        fake_term_show(&f);
        stream_all(s, long_text, 1 + (size_t)r[3] % 20);
        stream_end(s);
        stream_free(s);
        fake_term_show(&f);
        assert_int_equal(f.vt->x, 0);
        assert_string_equal(vt_row(f.vt, f.vt->y), "");
        fake_term_close(&f);
        for (int i = 0; i < 3; i++) free((void *)p[i].rgb);
    }
}

/* No word is lost or cut where lines are long enough for it. */
static void test_words(void **state)
{
    (void)state;
    const char *text =
        "Some words of a longer answer that streams beside a picture and goes on below "
        "it over the full width, until it ends after a few more lines of ordinary "
        "English text.\n\nAnd a last paragraph.\n";
    for (int cols = 24; cols < 120; cols += 7) {
        struct fake_term f;
        fake_term_open(&f, "xterm-256color", "sixel", cols, 12, 8, 16);
        struct picture p = quarters(150, 60);
        struct stream_options opt = {.term = f.term, .out = f.out, .pictures = &p, .n_pictures = 1};
        struct stream *s = stream_new(&opt);
        stream_all(s, text, 5);
        stream_end(s);
        stream_free(s);
        fake_term_show(&f);
        expect_words(&f, text);
        fake_term_close(&f);
        free((void *)p.rgb);
    }
}

static void test_markdown(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "none", 40, 24, 8, 16);
    struct stream_options opt = {.term = f.term, .out = f.out};
    for (size_t piece = 1; piece < 9; piece++) {
        struct stream *s = stream_new(&opt);
        f.vt->x = f.vt->y = 0;
        memset(f.vt->cells, 0, sizeof f.vt->cells);
        stream_all(
            s,
            "## Title\n- **bold** and `code *x*`\n  - inner\n12. twelve\n2 ** 3 * 4\n**a** b**c\n"
            "| **x** | y |\n```py\n# no  heading\n  - none\n```\n-5 #tag `` a`b ``\n",
            piece);
        stream_end(s);
        stream_free(s);
        fake_term_show(&f);
        static const char *const rows[] = {
            "Title",  "• bold and code *x*", "  • inner",     "12. twelve", "2 ** 3 * 4",
            "a b**c", "| **x** | y |",       "# no  heading", "  - none",   "-5 #tag `` a`b ``"};
        for (int i = 0; i < 10; i++) assert_string_equal(vt_row(f.vt, i), rows[i]);
    }
    fake_term_close(&f);
}

/* Every letter with what is switched on before it, so that italics and the like can be seen. */
static char *styled(struct fake_term *f, const char *text, size_t piece)
{
    static char shown[2000];
    char *raw = NULL;
    size_t n, k = 0;
    FILE *out = open_memstream(&raw, &n);
    struct stream *s = stream_new(&(struct stream_options){.term = f->term, .out = out});
    stream_all(s, text, piece);
    stream_end(s);
    stream_free(s);
    fclose(out);
    for (const char *p = raw; *p && k < sizeof shown - 1; p++) {
        if (!strncmp(p, "\033[3m", 4))
            shown[k++] = '{', p += 3;
        else if (!strncmp(p, "\033[1m", 4))
            shown[k++] = '[', p += 3;
        else if (!strncmp(p, "\033[36m", 5))
            shown[k++] = '<', p += 4;
        else if (!strncmp(p, "\033[0m", 4))
            shown[k++] = '}', p += 3;
        else if (*p != '\r' && *p != '\n')
            shown[k++] = *p;
    }
    shown[k] = 0;
    free(raw);
    return shown;
}

static void test_italics(void **state)
{
    (void)state;
    static const char *const table[][2] = {
        {"an *italic* word", "an {italic} word"},
        {"_two words_, and", "{two words}, and"},
        {"*a **b** c* d", "{a }[{b}{ c} d"},
        {"***all*** of it", "[{all} of it"},
        {"**b *i* b**", "[b }[{i}[ b}"},
        {"*see `a*b`* here", "{see }{<a*b} here"},
        {"p < 0.05 *, or so", "p < 0.05 *, or so"},
        {"*p < 0.05, a footnote", "*p < 0.05, a footnote"},
        {"* a bullet", "\342\200\242 a bullet"},
        {"2*3*4 and 5 * 6 * 7", "2*3*4 and 5 * 6 * 7"},
        {"snake_case_name and __init__", "snake_case_name and __init__"},
        {"_snake_case_", "{snake_case}"},
        {"*open\n*closed*", "*open{closed}"},
        {"(*x*)", "({x})"},
        {"*\303\251*\346\227\245", "{\303\251}\346\227\245"},
    };
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "none", 80, 24, 8, 16);
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (size_t piece = 1; piece < 6; piece += 2)
            assert_string_equal(styled(&f, table[i][0], piece), table[i][1]);
    char longer[600] = "*";
    memset(longer + 1, 'x', 500); /* it may be long, and then it is not held back for ever */
    assert_string_equal(styled(&f, longer, 7), longer);
    fake_term_close(&f);
}

/* A row of the screen with -, + and | for the lines of a table. */
static const char *plain_row(const struct vt *vt, int y)
{
    static char row[4 * VT_MAX_COLS + 1];
    char *to = row;
    for (const char *p = vt_row(vt, y); *p; p++) {
        const char *line = "";
        if (!strncmp(p, "─", 3)) line = "-";
        if (!strncmp(p, "┼", 3)) line = "+";
        if (!strncmp(p, "│", 3)) line = "|";
        *to++ = *line ? *line : *p;
        p += *line ? 2 : 0;
    }
    *to = 0;
    return row;
}

static void table_is(int cols, const char *text, const char *const *rows)
{
    for (size_t piece = 1; piece < 40; piece += 13) {
        struct fake_term f;
        fake_term_open(&f, "xterm-256color", "none", cols, 24, 8, 16);
        struct stream *s =
            stream_new(&(struct stream_options){.term = f.term, .out = f.out, .label = "Out[1]: "});
        stream_all(s, text, piece);
        stream_end(s);
        stream_free(s);
        fake_term_show(&f);
        for (int i = 0; rows[i]; i++) assert_string_equal(plain_row(f.vt, i), rows[i]);
        fake_term_close(&f);
    }
}
#define TABLE_IS(cols, text, ...) table_is(cols, text, (const char *const[]){__VA_ARGS__, NULL})

static void test_tables(void **state)
{
    (void)state;
    TABLE_IS(60,
             "Here:\n| Name | Price |\n|:-----|------:|\n| Tea | 3.50 |\n"
             "| **Coffee** | 12 |\nDone.",
             "Out[1]: Here:", "Name   | Price", "-------+------", "Tea    |  3.50",
             "Coffee |    12", "Done.");
    TABLE_IS(60, "| a |\n|---|\n| b |", "Out[1]:", "a", "-", "b");
    TABLE_IS(60, "|名前|値|\n|:-:|--|\n|日本語テキスト|é|\n|x|e\314\201ee|\n",
             "Out[1]:", "     名前      | 値", "---------------+----", "日本語テキスト | é",
             "      x        | eee");
    TABLE_IS(60, "| x | `a\\|b` | *c* |\n|-|-|-|\n| only |\n| 1 | 2 | 3 | 4 |\n\nend",
             "Out[1]:", "x    | a|b | c", "-----+-----+--", "only |     |", "1    | 2   | 3", "",
             "end");
    /* Wrapped by words, the narrow column as it is. */
    TABLE_IS(30,
             "| Item | What it is |\n|---|---|\n"
             "| Tea | leaves in hot water, for some minutes |\n",
             "Out[1]:", "Item | What it is", "-----+-----------------------",
             "Tea  | leaves in hot water,", "     | for some minutes");
    /* No table: no second line of its kind, or too many columns for the screen. */
    TABLE_IS(60, "| just | bars |\n| and | more |\n", "Out[1]: | just | bars |", "| and | more |");
    TABLE_IS(12, "|aaaaaaaa|bbbbbbbb|cccccccc|\n|-|-|-|\n", "Out[1]:", "|aaaaaaaa|b",
             "bbbbbbb|ccc");
}

/* Beside a picture where it fits there, else below. */
static void test_table_and_picture(void **state)
{
    (void)state;
    for (int wide = 0; wide < 2; wide++) {
        struct fake_term f;
        fake_term_open(&f, "xterm-256color", "sixel", 90, 30, 8, 16);
        struct picture p = quarters(200, 160);
        struct stream *s = stream_new(&(struct stream_options){
            .term = f.term, .out = f.out, .pictures = &p, .n_pictures = 1, .label = "Out[1]: "});
        char text[400];
        snprintf(text, sizeof text, "Look:\n| a | %s |\n|---|---|\n| x | y |\n",
                 wide ? "a column that is so wide that there is no place beside a picture" : "b");
        stream_all(s, text, 5);
        stream_end(s);
        stream_free(s);
        fake_term_show(&f); /* the model fails on text over a picture */
        const char *head = vt_row(f.vt, wide ? 10 : 1);
        assert_non_null(strstr(head, "│"));
        assert_int_equal(head[0] == 'a', wide);
        free((void *)(uintptr_t)p.rgb);
        fake_term_close(&f);
    }
}

/* The sequences that stand before each letter of a word. */
static void test_doubt(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "none", 80, 24, 10, 20);
    char *raw = NULL;
    size_t n;
    FILE *out = open_memstream(&raw, &n);
    struct stream *s = stream_new(&(struct stream_options){.term = f.term, .out = out});
    stream_text(s, "sure per", 8);
    stream_style(s, STYLE_DOUBT);
    stream_text(s, "ha", 2);
    stream_style(s, 0);
    stream_text(s, "ps, **so**", 10);
    stream_end(s);
    fflush(out);
    /* All of the word that holds a doubtful piece, and nothing else. */
    assert_non_null(strstr(raw, "sure \033[4mperhaps,\033[0m \033[1mso\033[0m"));
    size_t before = n;
    stream_free(s);

    s = stream_new(&(struct stream_options){.term = f.term, .out = out});
    stream_text(s, "one ", 4);
    stream_style(s, STYLE_UNLIKELY);
    stream_text(s, "two ", 4);
    stream_style(s, 0);
    stream_text(s, "three ", 6);
    stream_redraw(s);
    stream_end(s);
    stream_free(s);
    assert_int_equal(fclose(out), 0);
    const char *redrawn = strstr(raw + before, "\033[2J");
    assert_non_null(redrawn);
    assert_non_null(strstr(redrawn, "one \033[1;31mtwo\033[0m three"));
    free(raw);
    fake_term_close(&f);
}

static void print_head(FILE *out, void *user) { fprintf(out, "%s\r\n", (const char *)user); }

static void test_resize(void **state)
{
    (void)state;
    struct fake_term f;
    fake_term_open(&f, "xterm-256color", "sixel", 90, 24, 10, 20);
    term_watch_size(f.term);
    struct picture p = quarters(300, 200);
    struct stream_options opt = {.term = f.term,
                                 .out = f.out,
                                 .pictures = &p,
                                 .n_pictures = 1,
                                 .head = print_head,
                                 .user = (void *)"In [1]: ask",
                                 .label = "Out[1]: "};
    print_lines(&f, 20);
    struct stream *s = stream_new(&opt);
    stream_all(s, "Some words before the size changes ", 3);
    fake_term_show(&f);
    fake_term_resize(&f, 60, 20);
    f.vt->cols = 60;
    f.vt->rows = 20;
    stream_all(s, "and some after.", 3);
    stream_end(s);
    stream_free(s);
    fake_term_show(&f);
    assert_int_equal(term_facts(f.term)->generation, 1);
    assert_int_equal(f.vt->n_pictures, 2);
    assert_string_equal(vt_row(f.vt, 0), "In [1]: ask");
    assert_string_equal(vt_row(f.vt, 7),
                        "Out[1]: Some words before the size changes and some after.");
    fake_term_close(&f);
    free((void *)p.rgb);
}

static void test_pipe_and_dumb(void **state)
{
    (void)state;
    const char *text = "**raw** \033[31m\xff text\n";
    char *bytes;
    size_t n;
    FILE *out = open_memstream(&bytes, &n);
    struct stream *s = stream_new(&(struct stream_options){.out = out, .label = "Out[1]: "});
    stream_all(s, text, 2);
    stream_end(s);
    stream_free(s);
    fclose(out);
    assert_string_equal(bytes, "**raw** \033[31m\xff text\n");
    free(bytes);

    struct fake_term f;
    fake_term_open(&f, "dumb", "sixel", 80, 24, 8, 16);
    struct picture p = quarters(10, 10);
    s = stream_new(&(struct stream_options){
        .term = f.term, .out = f.out, .pictures = &p, .n_pictures = 1, .label = "Out[1]: "});
    stream_all(s, text, 2);
    stream_end(s);
    stream_free(s);
    fflush(f.out);
    assert_string_equal(f.bytes, "Out[1]: **raw** [31m\ufffd text\n");
    fake_term_close(&f);
    free((void *)p.rgb);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_beside),
        cmocka_unit_test(test_narrow_screens),
        cmocka_unit_test(test_indents),
        cmocka_unit_test(test_short_answer),
        cmocka_unit_test(test_any_screen),
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_markdown),
        cmocka_unit_test(test_doubt),
        cmocka_unit_test(test_italics),
        cmocka_unit_test(test_tables),
        cmocka_unit_test(test_table_and_picture),
        cmocka_unit_test(test_resize),
        cmocka_unit_test(test_pipe_and_dumb),
    };
    return cmocka_run_group_tests_name("layout", tests, NULL, NULL);
}
