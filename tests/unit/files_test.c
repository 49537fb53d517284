/* SPDX-License-Identifier: GPL-3.0-or-later
 * What killed programs leave beside a file: the next one that is written or opened takes it away,
 * and nothing else. */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/files.h"
#include "common/part.h"
#include "folder.h"

static struct folder folder;

static int set_up(void **state)
{
    (void)state;
    folder_make(&folder);
    return chdir(folder.path);
}

static int tear_down(void **state)
{
    (void)state;
    folder_remove(&folder);
    return chdir("/");
}

static void make(const char *path)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    assert_true(fd >= 0);
    close(fd);
}

static bool is_there(const char *path) { return !access(path, F_OK); }

static void store(const char *path)
{
    struct phi3v_error err = {0};
    assert_int_equal(store_file(path, "new", 3, 0644, &err), 0);
}

static void names(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        bool is_part;
    } rows[] = {{"a.part01234567", true},
                {"a.ipynb.part89abcdef", true},
                {".part01234567", false},
                {"a.part0123456", false},
                {"a.part012345678", false},
                {"a.part0123456G", false},
                {"a.part0123456F", false},
                {"apart01234567", false},
                {"a.part", false},
                {"", false},
                {"a.part01234567.png", false}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        if (part_is_name(rows[i].name) != rows[i].is_part) fail_msg("%s", rows[i].name);
}

/* The parts of the file that nobody holds go; those of others and what only looks like one stay. */
static void tidied(void **state)
{
    (void)state;
    static const char *const stay[] = {"other.ipynb.part00000001", "my.book.ipynb.part00000002",
                                       "book.ipynb.part1", "book.ipynb.partly", "book.ipynb.part"};
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++) make(stay[i]);
    assert_int_equal(mkdir("book.ipynb.part0000000a", 0700), 0);
    assert_int_equal(symlink("other", "book.ipynb.part0000000b"), 0);
    make("book.ipynb.part00000003");
    make("book.ipynb.part00000004");
    make("book.ipynb.part00000005");
    int held = open("book.ipynb.part00000004", O_RDONLY);
    assert_int_equal(flock(held, LOCK_EX), 0);
    store("book.ipynb");
    assert_false(is_there("book.ipynb.part00000003"));
    assert_true(is_there("book.ipynb.part00000004"));
    assert_false(is_there("book.ipynb.part00000005"));
    close(held);
    parts_tidy_of("./book.ipynb");
    assert_false(is_there("book.ipynb.part00000004"));
    for (size_t i = 0; i < sizeof stay / sizeof *stay; i++)
        if (!is_there(stay[i])) fail_msg("%s is gone", stay[i]);
    parts_tidy_in(".");
    assert_false(is_there("other.ipynb.part00000001"));
    assert_false(is_there("my.book.ipynb.part00000002"));
    assert_true(is_there("book.ipynb.partly"));
    struct stat st;
    assert_true(!lstat("book.ipynb.part0000000a", &st) && !lstat("book.ipynb.part0000000b", &st));
}

/* One that is being written has its lock before it has its name, and is gone when it fails. */
static void being_written(void **state)
{
    (void)state;
    struct part p;
    assert_true(part_open(&p, "book.ipynb", 0600));
    assert_true(p.locked);
    assert_true(write_all(p.fd, "text", 4));
    assert_int_equal(is_there(p.name), p.named);
    parts_tidy_in(".");
    assert_int_equal(is_there(p.name), p.named);
    assert_int_equal(mkdir("book.ipynb", 0700), 0);
    char *name = text_copy(p.name);
    assert_false(part_move(&p, "book.ipynb")); /* over a folder */
    assert_true(is_there(name));
    parts_tidy_in(".");
    assert_true(is_there(name));
    part_close(&p);
    assert_false(is_there(name));
    free(name);
}

static int n_files(void)
{
    int n = 0;
    DIR *dir = opendir(".");
    for (struct dirent *e; (e = readdir(dir));) n += *e->d_name != '.';
    closedir(dir);
    return n;
}

/* Killed between the naming and the move. */
static void killed(void **state)
{
    (void)state;
    int status;
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (!pid) {
        struct part p;
        if (part_open(&p, "book.ipynb", 0600)) (void)part_move(&p, "missing/book.ipynb");
        raise(SIGKILL);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(n_files(), 1);
    store("book.ipynb");
    assert_int_equal(n_files(), 1);
    assert_true(is_there("book.ipynb"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(names), TEST(tidied), TEST(being_written),
                                       TEST(killed)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
