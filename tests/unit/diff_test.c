/* SPDX-License-Identifier: GPL-3.0-or-later
 * Texts compared word by word: against what is meant, and against a slow comparison of random
 * texts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "notebook/diff.h"

static void says(const char *before, const char *after, const char *wanted)
{
    struct diff d;
    assert_int_equal(diff_words(before, after, &d, NULL), 0);
    char *text = diff_text(&d);
    assert_string_equal(text, wanted);
    free(text);
    diff_free(&d);
}

static void words(void **state)
{
    (void)state;
    says("", "", "");
    says("a b c", "a b c", "a b c");
    says("", "new words", "{+new words+}");
    says("old words", "", "[-old words-]");
    says("The highest is 64 for Tue.", "The lowest is 39 for Mon.",
         "The [-highest-] {+lowest+} is [-64-] {+39+} for [-Tue.-] {+Mon.+}");
    says("one two", "one  two\n", "one  two\n");
    says("a b", "a x b", "a {+x+} b");
    says("a x b", "a b", "a [-x-] b");
    says("one", "one two", "one {+two+}");
    says("line\nline two", "line\nline three", "line\nline [-two-] {+three+}");
    says(" a", "a", " a"); /* blanks do not count */
}

static size_t words_in(const char *s)
{
    size_t n = 0;
    while (*(s += strspn(s, " \t\n"))) {
        n++;
        s += strcspn(s, " \t\n");
    }
    return n;
}

/* The words that both texts share, by the plainest recursion. */
static int longest(const char *a, const char *b)
{
    static int seen[40][40];
    int n = (int)strlen(a), m = (int)strlen(b);
    memset(seen, 0, sizeof seen);
    for (int i = n - 1; i >= 0; i--)
        for (int k = m - 1; k >= 0; k--)
            seen[i][k] = a[i] == b[k]                      ? seen[i + 1][k + 1] + 1
                         : seen[i + 1][k] > seen[i][k + 1] ? seen[i + 1][k]
                                                           : seen[i][k + 1];
    return seen[0][0];
}

static void spread(const char *letters, char *ret)
{
    for (; *letters; letters++) {
        *ret++ = *letters;
        *ret++ = ' ';
    }
    *ret = 0;
}

/* Of one side and what both have, in order. */
static void side(const struct diff *d, enum nb_change_kind own, char *ret)
{
    for (int i = 0; i < d->n; i++)
        if (d->v[i].kind == NB_SAME || d->v[i].kind == own) {
            memcpy(ret, d->v[i].text, d->v[i].n_bytes);
            ret += d->v[i].n_bytes;
        }
    *ret = 0;
}

static void random_texts(void **state)
{
    (void)state;
    uint32_t random = 5;
    for (int round = 0; round < 3000; round++) {
        char letters[2][40], text[2][90], again[90];
        for (int s = 0; s < 2; s++) {
            random = random * 1664525 + 1013904223;
            int n = (int)((random >> 16) % 30);
            for (int i = 0; i < n; i++) {
                random = random * 1664525 + 1013904223;
                letters[s][i] = (char)('a' + (random >> 16) % 4);
            }
            letters[s][n] = 0;
            spread(letters[s], text[s]);
        }
        struct diff d;
        assert_int_equal(diff_words(text[0], text[1], &d, NULL), 0);
        side(&d, NB_GONE, again);
        assert_string_equal(again, text[0]);
        side(&d, NB_NEW, again);
        assert_string_equal(again, text[1]);
        int n_same = 0;
        for (int i = 0; i < d.n; i++)
            if (d.v[i].kind == NB_SAME) n_same += (int)d.v[i].n_bytes / 2;
        assert_int_equal(n_same, longest(letters[0], letters[1]));
        diff_free(&d);
    }
}

/* Tens of thousands of different words are not compared with each other. */
static void long_texts_are_bounded(void **state)
{
    (void)state;
    enum { N = 40000 };
    char *a = malloc(8 * N + 40), *b = malloc(8 * N + 40);
    assert_true(a && b);
    char *p = a + sprintf(a, "both begin "), *q = b + sprintf(b, "both begin ");
    for (int i = 0; i < N; i++) {
        p += sprintf(p, "a%d ", i);
        q += sprintf(q, "b%d ", i);
    }
    strcpy(p, "and end");
    strcpy(q, "and end");
    struct diff d;
    assert_int_equal(diff_words(a, b, &d, NULL), 0);
    assert_int_equal(d.n, 4);
    assert_int_equal(d.v[0].kind, NB_SAME);
    assert_int_equal(d.v[1].kind, NB_GONE);
    assert_int_equal(d.v[2].kind, NB_NEW);
    assert_int_equal(d.v[3].n_bytes, 7);
    char *text = diff_text(&d);
    assert_int_equal(words_in(text), 2 * N + 4);
    free(text);
    diff_free(&d);
    free(a);
    free(b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(words), cmocka_unit_test(random_texts),
                                       cmocka_unit_test(long_texts_are_bounded)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
