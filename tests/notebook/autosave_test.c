/* SPDX-License-Identifier: GPL-3.0-or-later
 * What survives a crash, and what is said where it would not. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "faults.h"
#include "recorder.h"

static struct recorder r;

static int setup(void **state)
{
    (void)state;
    faults_room = -1;
    faults_flock = faults_sync = 0;
    recorder_open(&r, true);
    recorder_picture(&r, "a.ppm", 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    faults_room = -1;
    faults_flock = faults_sync = 0;
    recorder_close(&r);
    return 0;
}

/* Runs sources in a process of its own, which is then killed. */
static void crash_after(const char *const *sources)
{
    pid_t child = fork();
    assert_true(child >= 0);
    if (!child) {
        recorder_restart(&r, true);
        for (; *sources; sources++)
            if (recorder_eval(&r, *sources, NB_TYPED) < 0) _exit(1);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status));
}
#define CRASH_AFTER(...) crash_after((const char *const[]){__VA_ARGS__, NULL})

/* Opens the newest that was left behind, as phiscope -c does. */
static void go_on(void)
{
    char *path = nb_latest_left_behind(r.nb);
    assert_non_null(path);
    char *line = text_format(":open %s", path);
    works(&r, line);
    free(line);
    free(path);
}

static int n_journals(void) { return recorder_files("state", "autosave-"); }
static int n_lasts(void) { return recorder_files("state", "last-"); }

static void prompts_are(const char *want)
{
    struct text t = {0};
    text_add(&t, "");
    for (int i = 1; i <= nb_n_cells(r.nb); i++)
        text_addf(&t, "%s%s", i > 1 ? "|" : "", nb_cell_prompt(r.nb, i));
    assert_string_equal(t.s, want);
    text_free(&t);
}

/* -- What stays ------------------------------------------------------------------------------- */

static void crashed_cells_come_back(void **state)
{
    (void)state;
    CRASH_AFTER(":load a.ppm\nOne", "Two", ":edit 1 Eins", "Three", ":undo", "Four");
    assert_int_equal(n_journals(), 1);
    recorder_restart(&r, true);
    nb_tell_left_behind(r.nb);
    assert_saw(&r, "note: (a notebook was left behind: phiscope -c, or :open ");
    go_on();
    prompts_are("Eins|Two|Four");
    works(&r, ":cells");
    assert_saw(&r, "In [1] ok: Eins\n");
    assert_saw(&r, "In [2] stale: Two\n");
    assert_saw(&r, "In [3] ok: Four\n");
    assert_int_equal(n_journals(), 1); /* adopted: it is the present one's now */
    works(&r, ":run 1");
    works(&r, ":save x.ipynb");
    assert_int_equal(n_journals(), 0);
    recorder_restart(&r, true);
    assert_null(nb_latest_left_behind(r.nb));
}

static void files_are_private_and_small(void **state)
{
    (void)state;
    struct stat st;
    works(&r, "One");
    assert_int_equal(n_journals(), 1);
    assert_int_equal(recorder_files("state", ".part"), 0);
    recorder_stop(&r);
    assert_int_equal(n_journals(), 0);
    assert_int_equal(n_lasts(), 1);
    assert_saw(&r, "note: (unsaved cells are kept: phiscope -c opens ");
    recorder_restart(&r, true);
    char *last = nb_latest_left_behind(r.nb);
    assert_int_equal(stat(last, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(last);
    go_on();
    prompts_are("One");
    assert_int_equal(n_lasts(), 0);
    assert_int_equal(n_journals(), 1);
    works(&r, ":reset");
    char *journal = nb_latest_left_behind(r.nb);
    assert_int_equal(stat(journal, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    free(journal);
}

/* A notebook of the person's, changed and crashed, is that notebook still. */
static void opened_changed_crashed(void **state)
{
    (void)state;
    works(&r, "One");
    works(&r, ":save x.ipynb");
    CRASH_AFTER(":open x.ipynb", "Two");
    recorder_restart(&r, true);
    assert_int_equal(mkdir("elsewhere", 0700), 0);
    assert_int_equal(chdir("elsewhere"), 0);
    go_on();
    prompts_are("One|Two");
    fails(&r, ":save", "x.ipynb exists already; :save! ");
    works(&r, ":save! ../x.ipynb");
    assert_int_equal(chdir(".."), 0);
    works(&r, ":open x.ipynb");
    prompts_are("One|Two");
    assert_int_equal(n_journals(), 0);
}

/* Whatever is put aside can be had again, by :undo or after a crash. */
static void put_aside(void **state)
{
    (void)state;
    works(&r, "Saved");
    works(&r, ":save x.ipynb");
    works(&r, ":reset all");
    works(&r, "One");
    works(&r, ":open x.ipynb");
    assert_int_equal(n_journals(), 1);
    works(&r, ":undo");
    prompts_are("One");
    assert_int_equal(n_journals(), 1);
    works(&r, ":reset");
    works(&r, "Two");
    assert_int_equal(n_journals(), 2);
    works(&r, ":undo"); /* the cell "Two" */
    works(&r, ":undo");
    prompts_are("One");
    assert_int_equal(n_journals(), 1);
    works(&r, ":save y.ipynb");
    recorder_stop(&r);
    assert_int_equal(n_journals() + n_lasts(), 0);

    CRASH_AFTER("One", ":reset", "Two");
    assert_int_equal(n_journals(), 2);
    recorder_restart(&r, true);
    nb_tell_left_behind(r.nb);
    assert_saw(&r, "2 notebooks were left behind");
    go_on();
    prompts_are("Two");
    /* Unsaved cells do not go because an earlier notebook comes back. */
    works(&r, ":undo");
    prompts_are("");
    go_on();
    prompts_are("Two");
    works(&r, ":save! x.ipynb");
    go_on();
    prompts_are("One");
}

/* Cells that are not ours stay where they stand. */
static void foreign_cells_come_back(void **state)
{
    (void)state;
    recorder_write("x.ipynb",
                   "{\"cells\": [{\"cell_type\": \"markdown\", \"id\": \"a\", \"metadata\": {}, "
                   "\"source\": \"# Above\"}, {\"cell_type\": \"code\", \"execution_count\": null, "
                   "\"id\": \"b\", \"metadata\": {}, \"outputs\": [], \"source\": \"One\"}, "
                   "{\"cell_type\": \"raw\", \"id\": \"c\", \"metadata\": {}, \"source\": "
                   "\"below\"}], \"metadata\": {}, \"nbformat\": 4, \"nbformat_minor\": 5}");
    CRASH_AFTER(":open x.ipynb", ":edit 1 Eins", ":undo", ":edit 1 Un");
    recorder_restart(&r, true);
    go_on();
    prompts_are("Un");
    works(&r, ":save! x.ipynb");
    char *file = recorder_read("x.ipynb", NULL);
    const char *above = strstr(file, "# Above"), *cell = strstr(file, "\"Un\"");
    const char *below = strstr(file, "\"below\"");
    assert_true(above && cell && below && above < cell && cell < below);
    free(file);
}

static void a_stranger_s_journal(void **state)
{
    (void)state;
    CRASH_AFTER("One");
    recorder_restart(&r, true);
    char *path = nb_latest_left_behind(r.nb), *text = recorder_read(path, NULL);
    char *at = strstr(text, "\"path\":null");
    assert_non_null(at);
    char *evil = text_format("%.*s\"path\":\"%s/evil.ipynb\"%s", (int)(at - text), text,
                             r.folder.path, at + strlen("\"path\":null"));
    recorder_write("theirs.jsonl", evil);
    works(&r, ":open theirs.jsonl");
    prompts_are("One");
    fails(&r, ":save", ":save needs a file name");
    assert_int_equal(access(path, F_OK), 0);
    recorder_write("no.jsonl", "{}\n");
    fails(&r, ":open no.jsonl", "no.jsonl is not an autosave of phiscope");
    recorder_write("no.jsonl", "");
    fails(&r, ":open no.jsonl", "no.jsonl is not an autosave of phiscope");
    free(evil);
    free(text);
    free(path);
}

static void newest_are_kept(void **state)
{
    (void)state;
    CRASH_AFTER("One");
    recorder_restart(&r, true);
    char *path = nb_latest_left_behind(r.nb), *text = recorder_read(path, NULL);
    for (int i = 0; i < 30; i++) {
        char name[60];
        struct timespec when[2] = {{1000 + i, 0}, {1000 + i, 0}};
        snprintf(name, sizeof name, "state/autosave-%02d.jsonl", i);
        recorder_write(name, text);
        assert_int_equal(utimensat(AT_FDCWD, name, when, 0), 0);
    }
    recorder_write("state/autosave-x.jsonl.part0123abcd", "a part");
    recorder_write("state/last-x.ipynb.part0123abcd", "a part");
    recorder_write("state/history.part", "not ours");
    int fd = open("state/autosave-y.jsonl.part0123abcd", O_RDWR | O_CREAT, 0600);
    assert_int_equal(flock(fd, LOCK_EX), 0); /* being written */
    recorder_restart(&r, true);
    assert_int_equal(recorder_files("state", ".jsonl"), 20 + 1);
    assert_int_equal(access(path, F_OK), 0);
    assert_int_equal(access("state/autosave-29.jsonl", F_OK), 0);
    assert_int_equal(access("state/autosave-10.jsonl", F_OK), -1);
    assert_int_equal(recorder_files("state", ".part"), 2);
    assert_int_equal(access("state/history.part", F_OK), 0);
    close(fd);
    recorder_restart(&r, true);
    assert_int_equal(recorder_files("state", ".part"), 1);
    free(text);
    free(path);
}

/* -- Where nothing can be kept ---------------------------------------------------------------- */

static int n_warnings(void)
{
    int n = 0;
    for (const char *p = r.seen.s; (p = strstr(p, "cannot be written, so a crash")); p++) n++;
    return n;
}

/* One warning, however long it lasts, and cells that go on. */
static void warned_once(void)
{
    works(&r, "One");
    assert_int_equal(n_warnings(), 1);
    works(&r, "Two");
    works(&r, ":edit 1 Eins");
    works(&r, ":undo");
    assert_int_equal(n_warnings(), 0);
    prompts_are("One|Two");
    assert_int_equal(recorder_files("state", ".part"), 0);
}

/* The front end may ask what leaving would lose. */
static void leaving_loses(void)
{
    struct phi3v_error err;
    assert_int_equal(nb_leave(r.nb, &err), PHI3V_E_IO);
    assert_non_null(strstr(err.text, "cannot be written"));
    prompts_are("One|Two");
}

static void no_locks(void **state)
{
    (void)state;
    faults_flock = ENOLCK;
    warned_once();
    leaving_loses();
    /* Whoever stays can stop what is saved, as before. */
    r.stop_after = 0;
    fails(&r, ":save x.ipynb", "cancelled");
    r.stop_after = -1;
    works(&r, ":save x.ipynb");
}

static void no_sync(void **state)
{
    (void)state;
    faults_sync = EIO;
    warned_once();
}

/* The first cell is on the disk, the later ones are not. */
static void sync_fails_later(void **state)
{
    (void)state;
    works(&r, "One");
    faults_sync = EIO;
    works(&r, "Two");
    assert_int_equal(n_warnings(), 1);
    works(&r, "Three");
    assert_int_equal(n_warnings(), 0);
    faults_sync = 0;
    works(&r, "Four");
    recorder_restart(&r, true);
    go_on();
    prompts_are("One|Two|Three|Four");
}

/* What was left behind stays until its cells are somewhere else. */
static void opened_on_a_full_disk(void **state)
{
    (void)state;
    CRASH_AFTER("One", "Two");
    recorder_restart(&r, true);
    faults_room = 0;
    go_on();
    assert_int_equal(n_warnings(), 1);
    prompts_are("One|Two");
    recorder_stop(&r);
    faults_room = -1;
    recorder_restart(&r, true);
    go_on();
    prompts_are("One|Two");
}

/* The journal stays where nothing else can take its cells. */
static void left_on_a_full_disk(void **state)
{
    (void)state;
    works(&r, "One");
    faults_room = 0;
    recorder_stop(&r);
    faults_room = -1;
    recorder_restart(&r, true);
    go_on();
    prompts_are("One");
}

/* Who has just pressed Ctrl-C keeps the cells, too. */
static void left_while_stopping(void **state)
{
    (void)state;
    works(&r, "One");
    r.stop_after = 0;
    assert_int_equal(nb_leave(r.nb, &r.err), 0);
    r.stop_after = -1;
    assert_int_equal(n_lasts(), 1);
    recorder_restart(&r, true);
    go_on();
    prompts_are("One");
}

static void no_folder(void **state)
{
    (void)state;
    works(&r, "Zero");
    works(&r, ":undo");
    folder_puts(&r.folder, "state/history", "");
    assert_int_equal(unlink("state/history"), 0);
    assert_int_equal(rmdir("state"), 0);
    recorder_write("state", "a file where the folder was");
    warned_once();
    assert_int_equal(unlink("state"), 0);
    works(&r, "Three"); /* there is room again: the folder is made anew */
    assert_int_equal(n_journals(), 1);
}

/* What a child saw. */
struct report {
    int warnings;
    long left; // room on the disk
};

/* The disk fills up after `room` more bytes behind the first cell; with `again` there is room again
 * for a third cell. Then it crashes. */
static struct report crash_on_full_disk(long room, bool again)
{
    struct report *shared =
        mmap(NULL, sizeof *shared, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    assert_ptr_not_equal(shared, MAP_FAILED);
    pid_t child = fork();
    if (!child) {
        recorder_restart(&r, true);
        works(&r, "One");
        faults_room = room;
        works(&r, "Two");
        shared->warnings = n_warnings();
        works(&r, ":run 1");
        shared->warnings += n_warnings();
        shared->left = faults_room;
        faults_room = -1;
        if (again) works(&r, "Three");
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    struct report what = *shared;
    munmap(shared, sizeof *shared);
    return what;
}

/* Nothing that was there before is lost by a full disk, and all is there once it has room again. */
static void full_disk(void **state)
{
    (void)state;
    bool all_fit = false;
    int n_tries = 0, n_warned = 0;
    for (long room = 0; !all_fit; room += room < 20 ? 1 : 97) {
        bool again = n_tries++ % 2;
        struct report what = crash_on_full_disk(room, again);
        assert_true(what.warnings <= 1);
        n_warned += what.warnings;
        all_fit = !what.warnings && what.left > 0;
        recorder_restart(&r, true);
        assert_int_equal(recorder_files("state", ".part"), 0);
        assert_int_equal(n_journals(), 1);
        go_on();
        if (again)
            prompts_are("One|Two|Three");
        else if (!what.warnings)
            prompts_are("One|Two");
        else
            assert_string_equal(nb_cell_prompt(r.nb, 1), "One");
        works(&r, ":save! x.ipynb");
    }
    assert_true(n_warned > 20);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
    const struct CMUnitTest tests[] = {TEST(crashed_cells_come_back),
                                       TEST(files_are_private_and_small),
                                       TEST(opened_changed_crashed),
                                       TEST(put_aside),
                                       TEST(foreign_cells_come_back),
                                       TEST(a_stranger_s_journal),
                                       TEST(newest_are_kept),
                                       TEST(no_locks),
                                       TEST(no_sync),
                                       TEST(sync_fails_later),
                                       TEST(opened_on_a_full_disk),
                                       TEST(left_on_a_full_disk),
                                       TEST(left_while_stopping),
                                       TEST(no_folder),
                                       TEST(full_disk)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
