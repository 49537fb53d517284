/* SPDX-License-Identifier: GPL-3.0-or-later
 * term/clean: what passes, what does not, and that the pieces' borders make no difference. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <utf8proc.h>

#include "term/clean.h"

struct text {
    char bytes[4096];
    size_t n;
};

static void append(int32_t cp, void *user)
{
    struct text *t = user;
    if (t->n + 4 < sizeof t->bytes)
        t->n += (size_t)utf8proc_encode_char(cp, (utf8proc_uint8_t *)t->bytes + t->n);
    t->bytes[t->n] = 0;
}

static void expect(enum clean_mode mode, const char *in, size_t n, const char *wanted)
{
    for (size_t piece = 1; piece <= n + 1; piece++) {
        struct text t = {.n = 0};
        struct clean c;
        clean_init(&c, mode, append, &t);
        for (size_t at = 0; at < n; at += piece)
            clean_feed(&c, in + at, n - at < piece ? n - at : piece);
        clean_end(&c);
        assert_string_equal(t.bytes, wanted);
    }
}

#define TEXT(in, wanted) expect(CLEAN_TEXT, in, sizeof in - 1, wanted)
#define NAME(in, wanted) expect(CLEAN_NAME, in, sizeof in - 1, wanted)

static void test_plain(void **state)
{
    (void)state;
    TEXT("", "");
    TEXT("two lines\nand\ta tab", "two lines\nand\ta tab");
    TEXT("Grüße, 日本語, e\u0301", "Grüße, 日本語, e\u0301");
    TEXT("a\r\nb", "a\nb");
    NAME("Grüße.png", "Grüße.png");
}

static void test_attacks(void **state)
{
    (void)state;
    TEXT("\033[31mred\033[0m", "[31mred[0m");
    TEXT("\033]0;title\a", "]0;title");
    TEXT("\033]52;c;AAAA\033\\x", "]52;c;AAAA\\x");
    TEXT("\033]8;;http://evil\033\\text\033]8;;\033\\", "]8;;http://evil\\text]8;;\\");
    TEXT("\033P$q\"p\033\\", "P$q\"p\\");
    TEXT("\033[?1049h\033[2J\033[H", "[?1049h[2J[H");
    TEXT("\033[201~rm -rf", "[201~rm -rf");
    TEXT("a\bb\a\0c\177d\x0e\x1b", "abcd");
    TEXT("\xc2\x9b\x33\x31m\xc2\x90q\xc2\x9c", "31mq"); /* C1 as UTF-8: kitty obeys it */
    TEXT("\x9b"
         "31m",
         "\ufffd31m"); /* and as a byte */
    TEXT("\u202eevil\u202c\u2066x\u2069\u200e\u200f\u061c", "evilx");
    TEXT("a\u2028b\u2029c\ufeffd\U000e0041e\U000e007ff", "abcdef");
    TEXT("\U0010eeee", "\ufffd"); /* kitty's placeholder */
}

static void passes(int32_t cp, bool wanted)
{
    char in[8] = "a"; /* behind a letter, where marks pass */
    (void)utf8proc_encode_char(cp, (utf8proc_uint8_t *)in + 1);
    char *out = clean_string(in, CLEAN_TEXT);
    if ((strcmp(out, in) == 0) != wanted) fail_msg("U+%04X", (unsigned)cp);
    free(out);
}

/* Of each run of what does not pass: its ends, and its neighbours that do. */
static void test_ranges(void **state)
{
    (void)state;
    static const struct {
        int32_t first, last;
        bool free_before, free_behind;
    } gone[] = {{0x01, 0x08, false, false},      {0x0B, 0x1F, false, true},
                {0x7F, 0x9F, true, true},        {0x200E, 0x200F, true, true},
                {0x2028, 0x202E, true, true},    {0x2066, 0x2069, true, true},
                {0x061C, 0x061C, true, true},    {0xFEFF, 0xFEFF, true, true},
                {0xFE0F, 0xFE0F, true, true},    {0xFFFE, 0xFFFF, false, true},
                {0xE0000, 0xE007F, false, true}, {0x10EEEE, 0x10EEEE, true, true}};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) {
        passes(gone[i].first, false);
        passes(gone[i].last, false);
        if (gone[i].free_before) assert_true(clean_passes(gone[i].first - 1));
        if (gone[i].free_behind) assert_true(clean_passes(gone[i].last + 1));
    }
}

static void test_bad_utf8(void **state)
{
    (void)state;
    TEXT("a\xff"
         "b",
         "a\ufffdb");
    TEXT("\xc3", "\ufffd");
    TEXT("\xc3(", "\ufffd(");
    TEXT("\xe2\x82", "\ufffd");
    TEXT("\xe2\x82\x1b[0m", "\ufffd[0m"); /* ESC in the middle of a letter */
    TEXT("\xc0\x9b", "\ufffd\ufffd");     /* overlong */
    TEXT("\xe0\x80\x9b", "\ufffd");       /* overlong C1 */
    TEXT("\xed\xa0\x80", "\ufffd");       /* a surrogate */
    TEXT("\xf4\x90\x80\x80", "\ufffd");   /* beyond U+10FFFF */
    TEXT("\xf0\x9f\x98", "\ufffd");       /* cut off */
    TEXT("\xf0\x9f\x98\xf0\x9f\x98\x80", "\ufffd😀");
}

static void test_names(void **state)
{
    (void)state;
    NAME("a\nb\tc\r", "a^Jb^Ic^M");
    NAME("\033[31m\a\177", "^[[31m^G^?");
    NAME("gpj.\u202egnp", "gpj.<U+202E>gnp");
    NAME("a\u200bb\u00adc", "a<U+200B>b<U+00AD>c");
    NAME("\xc2\x9b\x33\x31m", "31m");
}

static void test_marks(void **state)
{
    (void)state;
    char in[4096], wanted[64] = "a";
    strcpy(in, "\u0301a");
    for (int i = 0; i < 1000; i++) strcat(in, "\u0301");
    for (int i = 0; i < 8; i++) strcat(wanted, "\u0301");
    expect(CLEAN_TEXT, in, 5, "a\u0301"); /* a mark without a letter before it goes */
    TEXT("a\n\u0301b\t\u0301c", "a\nb\tc");
    struct text t = {.n = 0};
    struct clean c;
    clean_init(&c, CLEAN_TEXT, append, &t);
    clean_feed(&c, in, strlen(in));
    clean_end(&c);
    assert_string_equal(t.bytes, wanted);
}

/* Whatever comes in: no control character but LF and TAB comes out. */
static void test_random(void **state)
{
    (void)state;
    uint32_t random = 1;
    for (int round = 0; round < 2000; round++) {
        char in[64];
        for (size_t i = 0; i < sizeof in; i++) {
            random = random * 1664525 + 1013904223;
            in[i] = (char)(random >> (random & 1 ? 24 : 28));
        }
        char *out = clean_bytes(in, sizeof in, CLEAN_TEXT);
        assert_non_null(out);
        utf8proc_int32_t cp;
        for (const char *s = out; *s;) {
            utf8proc_ssize_t n = utf8proc_iterate((const utf8proc_uint8_t *)s, -1, &cp);
            assert_true(n > 0);
            assert_true(cp == '\n' || (cp >= 0x20 && cp < 0x7F) || cp >= 0xA0);
            s += n;
        }
        free(out);
    }
}

static void test_strings(void **state)
{
    (void)state;
    char *s = clean_string("a\tb\n\tc", CLEAN_TEXT);
    assert_string_equal(s, "a       b\n        c");
    assert_int_equal(clean_string_width("a日本\u0301"), 5);
    assert_int_equal(clean_width('\n'), 0);
    free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_plain),  cmocka_unit_test(test_attacks),
        cmocka_unit_test(test_ranges), cmocka_unit_test(test_bad_utf8),
        cmocka_unit_test(test_names),  cmocka_unit_test(test_marks),
        cmocka_unit_test(test_random), cmocka_unit_test(test_strings),
    };
    return cmocka_run_group_tests_name("clean", tests, NULL, NULL);
}
