/* SPDX-License-Identifier: GPL-3.0-or-later
 * tty/history: entries survive, whatever they hold and however many write at once; a long file is
 * cut back; what is no plain file is left alone. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "folder.h"
#include "tty/history.h"

static struct folder folder;
static char path[128];

static int begin(void **state)
{
    (void)state;
    folder_make(&folder);
    snprintf(path, sizeof path, "%s/history", folder.path);
    return 0;
}

static int end(void **state)
{
    (void)state;
    folder_remove(&folder);
    return 0;
}

static void test_entries(void **state)
{
    (void)state;
    static const char *const entries[] = {"one",
                                          "two\nlines \"quoted\" \\",
                                          "#1234 like a timestamp",
                                          "\033[31m\xc2\x9b\u202e",
                                          "日本",
                                          ""};
    for (size_t i = 0; i < 6; i++) history_append(path, entries[i]);
    struct strings list;
    history_read(path, &list);
    assert_int_equal(list.n, 6);
    for (size_t i = 0; i < 6; i++) assert_string_equal(list.v[i], entries[i]);
    strings_free(&list);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    unlink(path);
    history_read(path, &list);
    assert_int_equal(list.n, 0);
    history_read(NULL, &list);
    history_append(NULL, "x");
}

/* Ten at once, while the file is cut back: none of the last entries is lost. */
static void test_many_writers(void **state)
{
    (void)state;
    enum { WRITERS = 10, EACH = 200 };
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 2 * HISTORY_MAX + 10; i++) fprintf(f, "\"old %d\"\n", i);
    fprintf(f, "damaged\n");
    fclose(f);
    for (int w = 0; w < WRITERS; w++) {
        if (fork()) continue;
        struct strings list;
        if (w % 2) {
            history_read(path, &list);
            strings_free(&list);
        }
        for (int i = 0; i < EACH; i++) {
            char entry[40];
            snprintf(entry, sizeof entry, "writer %d entry %d", w, i);
            history_append(path, entry);
        }
        _exit(0);
    }
    for (int w = 0, status; w < WRITERS; w++) assert_true(wait(&status) > 0 && status == 0);
    struct strings list;
    history_read(path, &list);
    assert_int_equal(list.n, HISTORY_MAX);
    int next[WRITERS] = {0};
    for (size_t i = 0; i < list.n; i++) {
        int w, k;
        if (sscanf(list.v[i], "writer %d entry %d", &w, &k) != 2) continue;
        assert_int_equal(k, next[w]++);
    }
    for (int w = 0; w < WRITERS; w++) assert_int_equal(next[w], EACH);
    strings_free(&list);
    unlink(path);
}

/* A file far too large: its end is read, and it is cut back. */
static void test_huge(void **state)
{
    (void)state;
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    for (int i = 0; i < 3000; i++) fprintf(f, "\"%010000d\"\n", i);
    fclose(f);
    struct strings list;
    history_read(path, &list);
    assert_in_range(list.n, 1500, 1700);
    assert_int_equal(atoi(list.v[list.n - 1]), 2999);
    strings_free(&list);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_in_range(st.st_size, 15000000, 16 << 20);
    char *much = calloc(1, 2000001);
    assert_non_null(much);
    memset(much, 'x', 2000000);
    history_append(path, much);
    free(much);
    struct stat after;
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_size, st.st_size);
    unlink(path);
}

static void test_no_file(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(path, 0600), 0);
    struct strings list;
    history_append(path, "x"); /* waits for nobody */
    history_read(path, &list);
    assert_int_equal(list.n, 0);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_entries),
                                       cmocka_unit_test(test_many_writers),
                                       cmocka_unit_test(test_huge), cmocka_unit_test(test_no_file)};
    return cmocka_run_group_tests_name("history", tests, begin, end);
}
