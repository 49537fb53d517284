/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope pull as a program: pull_cli PHISCOPE N STEPS EVERY. What it says, and N times killed at
 * random moments and started again until it is done: at each moment nothing but whole files has its
 * name, and in the end every byte is right and nothing else is left. Also killed, and without room
 * on the disk, at one of EVERY of its calls that change files, which the module STEPS counts. */
#define _GNU_SOURCE
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <jansson.h>
#include <signal.h>
#include <spawn.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "mock_hub.h"

#define LARGE_BYTES ((size_t)70 << 20) /* three segments of the program's */
#define SMALL_BYTES ((size_t)200000)

static const char *program, *steps;
static int n_runs, every;
static struct mock_hub hub;
static char root[] = "/tmp/pull_cli.XXXXXX";
static char out_path[64], err_path[64], repo[128];

/* -- Running ---------------------------------------------------------------------------------- */

/* more: of the environment, ended by NULL */
static pid_t start_with(const char *const *words, char *const *more)
{
    char endpoint[100], home[100];
    snprintf(endpoint, sizeof endpoint, "HF_ENDPOINT=%s", hub.endpoint);
    snprintf(home, sizeof home, "HOME=%s", root);
    char *env[8] = {endpoint, home, "ASAN_OPTIONS=detect_leaks=1:verify_asan_link_order=0"};
    for (int i = 0; more && more[i]; i++) env[3 + i] = more[i];
    posix_spawn_file_actions_t files;
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, out_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    posix_spawn_file_actions_addopen(&files, 2, err_path, O_WRONLY | O_CREAT | O_TRUNC, 0600);
    pid_t pid;
    if (posix_spawn(&pid, program, &files, NULL, (char *const *)(uintptr_t)words, env)) abort();
    posix_spawn_file_actions_destroy(&files);
    return pid;
}

static pid_t start(const char *const *words) { return start_with(words, NULL); }

static int finish(pid_t pid)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0) continue;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static const char *text_of(const char *path)
{
    static char text[2][4096];
    static int k;
    char *to = text[k++ % 2];
    FILE *f = fopen(path, "r");
    size_t n = f ? fread(to, 1, sizeof text[0] - 1, f) : 0;
    if (f) fclose(f);
    to[n] = 0;
    return to;
}

static int run(const char *word, const char *more)
{
    const char *const words[] = {"phiscope", "pull", word, more, NULL};
    return finish(start(words));
}

/* -- What lies there -------------------------------------------------------------------------- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)type, (void)ftw;
    return remove(path);
}

static void fresh(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/.cache", root);
    nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    mock_hub_calm(&hub);
}

static bool is_wanted(const struct mock_file *f)
{
    return !strstr(f->name, ".bin") && !strstr(f->name, ".py") && !strstr(f->name, ".md") &&
           !strchr(f->name, '/');
}

static void expect_bytes(const char *path, const struct mock_file *f)
{
    uint8_t part[65536];
    size_t at = 0, n;
    FILE *in = fopen(path, "rb");
    if (!in) fail_msg("%s is not there", path);
    while ((n = fread(part, 1, sizeof part, in)) > 0) {
        if (at + n > f->n || memcmp(part, f->bytes + at, n)) fail_msg("%s differs", path);
        at += n;
    }
    fclose(in);
    if (at != f->n) fail_msg("%s is %zu bytes long", path, at);
}

/* Every blob under its own name is whole. Returns how many parts there are. */
static int expect_blobs(void)
{
    char path[400];
    int n_parts = 0;
    snprintf(path, sizeof path, "%s/blobs", repo);
    DIR *d = opendir(path);
    for (struct dirent *e; d && (e = readdir(d));) {
        if (*e->d_name == '.') continue;
        if (strstr(e->d_name, ".phiscope-")) {
            n_parts++;
            continue;
        }
        size_t i = 0;
        while (i < hub.n_files && strcmp(hub.files[i].key, e->d_name)) i++;
        if (i == hub.n_files) fail_msg("%s", e->d_name);
        snprintf(path, sizeof path, "%s/blobs/%s", repo, e->d_name);
        expect_bytes(path, &hub.files[i]);
    }
    if (d) closedir(d);
    return n_parts;
}

/* A snapshot that is there is there with all its files, and a revision has one. */
static bool expect_all_or_nothing(void)
{
    char path[600];
    snprintf(path, sizeof path, "%s/snapshots/" MOCK_COMMIT, repo);
    bool there = access(path, F_OK) == 0;
    for (size_t i = 0; there && i < hub.n_files; i++) {
        snprintf(path, sizeof path, "%s/snapshots/" MOCK_COMMIT "/%s", repo, hub.files[i].name);
        if (is_wanted(&hub.files[i])) expect_bytes(path, &hub.files[i]);
    }
    snprintf(path, sizeof path, "%s/refs/main", repo);
    if (access(path, F_OK) == 0) {
        assert_true(there);
        assert_string_equal(text_of(path), MOCK_COMMIT);
        return true;
    }
    return false;
}

static int n_links, n_blobs;

/* In the repository of a pull that is done lie blobs, links to them and a revision. */
static int expect_known(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st, (void)ftw;
    const char *name = path + strlen(repo);
    bool is_blob = type == FTW_F && !strncmp(name, "/blobs/", 7) && strlen(name) >= 7 + 40;
    bool is_link = type == FTW_SL && !strncmp(name, "/snapshots/" MOCK_COMMIT "/", 52);
    n_blobs += is_blob;
    n_links += is_link;
    if (!is_blob && !is_link && type != FTW_D && strcmp(name, "/refs/main") != 0)
        fail_msg("%s is left", path);
    if (type == FTW_D && strstr(name, ".phiscope")) fail_msg("%s is left", path);
    return 0;
}

static void expect_done(void)
{
    int n_wanted = 0;
    assert_int_equal(expect_blobs(), 0);
    assert_true(expect_all_or_nothing());
    n_links = n_blobs = 0;
    assert_int_equal(nftw(repo, expect_known, 16, FTW_PHYS), 0);
    for (size_t i = 0; i < hub.n_files; i++) n_wanted += is_wanted(&hub.files[i]);
    assert_int_equal(n_links, n_wanted);
    assert_int_equal(n_blobs, n_wanted);
}

/* -- Tests ------------------------------------------------------------------------------------ */

static void test_words(void **state)
{
    (void)state;
    fresh();
    assert_int_equal(run("nonsense", NULL), 2);
    assert_non_null(strstr(text_of(err_path), "is not a model's name on the hub"));
    assert_int_equal(run(MOCK_REPO, "other"), 2);
    assert_int_equal(run("acme/nothing", NULL), 4);
    assert_string_equal(text_of(err_path),
                        "phiscope: acme/nothing is not on the hub: check the name\n");
    assert_int_equal(run("--offline", MOCK_REPO), 4);
    assert_int_equal(run(MOCK_REPO, NULL), 0);
    char want[400];
    snprintf(want, sizeof want, "%s/snapshots/" MOCK_COMMIT "\n", repo);
    assert_string_equal(text_of(out_path), want);
    assert_non_null(strstr(text_of(err_path), "phiscope: 9 files, "));
    assert_true(expect_all_or_nothing());
    assert_int_equal(run("--json", MOCK_REPO), 0);
    json_t *line = json_loads(text_of(out_path), 0, NULL);
    assert_non_null(line);
    assert_int_equal(json_integer_value(json_object_get(line, "fetched")), 0);
    assert_string_equal(json_string_value(json_object_get(line, "commit")), MOCK_COMMIT);
    json_decref(line);
}

static void test_interrupt(void **state)
{
    (void)state;
    const char *const words[] = {"phiscope", "pull", MOCK_REPO, NULL};
    fresh();
    hub.slow_us = 50000; /* it cannot be done before the signal */
    pid_t pid = start(words);
    while (hub.n_sent < 1000000) usleep(10000);
    kill(pid, SIGINT);
    assert_int_equal(finish(pid), 130);
    assert_non_null(strstr(text_of(err_path), "the same command goes on from here"));
    assert_false(expect_all_or_nothing());
}

static void test_kills(void **state)
{
    (void)state;
    const char *const words[] = {"phiscope", "pull", MOCK_REPO, NULL};
    int n_kills = 0, n_parts = 0, n_published = 0;
    srandom(7);
    for (int i = 0; i < n_runs; i++) {
        fresh();
        hub.slow_us = (int)(random() % 300);
        for (int k = 0, status = -1; status != 0; k++) {
            if (k > 100) fail_msg("not done after %d kills", k);
            if (random() % 3 == 0) hub.n_cut = (int)(random() % 3);
            pid_t pid = start(words);
            bool kills = k < 3 || random() % 2;
            usleep((useconds_t)(random() % 250000));
            if (kills) kill(pid, SIGKILL);
            status = finish(pid);
            n_kills += status < 0;
            if (status > 0) fail_msg("%s", text_of(err_path));
            n_parts += expect_blobs() > 0;
            if (status < 0) n_published += expect_all_or_nothing();
        }
        expect_done();
        assert_int_equal(hub.n_leaks, 0);
    }
    printf("# %d runs, %d kills: %d left parts, %d came behind the end\n", n_runs, n_kills, n_parts,
           n_published);
    assert_true(n_kills >= n_runs);
}

/* Stopped before a step; false: there are not so many. */
static bool stop_at(int step, bool full)
{
    const char *const words[] = {"phiscope", "pull", MOCK_REPO, NULL};
    char at[40], preload[500];
    snprintf(at, sizeof at, "STEP_AT=%d", step);
    snprintf(preload, sizeof preload, "LD_PRELOAD=%s", steps);
    char *const more[] = {preload, at, full ? "STEP_FULL=1" : NULL, NULL};
    int status = finish(start_with(words, more));
    if (status == 0) return false;
    const char *said = text_of(err_path);
    if (full && (status != 4 || !strstr(said, "No space left on device")))
        fail_msg("status %d, %s", status, said);
    if (!full) assert_int_equal(status, -1);
    return true;
}

/* Wherever it is killed or the disk is full, the same command goes on to the end. */
static void test_steps(void **state)
{
    (void)state;
    for (int full = 0; full < 2; full++) {
        int step = 1;
        for (fresh(); stop_at(step, full); fresh(), step += every) {
            expect_blobs();
            expect_all_or_nothing();
            if (run(MOCK_REPO, NULL) != 0)
                fail_msg("%s at step %d: %s", full ? "full" : "killed", step, text_of(err_path));
            expect_done();
        }
        expect_done();
        printf("# %s at %d steps\n", full ? "the disk full" : "killed", step / every);
        assert_true(step / every > 5);
    }
}

static int begin(void **state)
{
    (void)state;
    if (!mkdtemp(root)) return -1;
    snprintf(out_path, sizeof out_path, "%s/out", root);
    snprintf(err_path, sizeof err_path, "%s/err", root);
    snprintf(repo, sizeof repo, "%s/.cache/huggingface/hub/models--acme--tiny-vision", root);
    mock_hub_start(&hub, LARGE_BYTES);
    return 0;
}

static int end(void **state)
{
    (void)state;
    mock_hub_stop(&hub);
    nftw(root, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    return 0;
}

static int begin_small(void **state)
{
    (void)state;
    mock_hub_stop(&hub);
    mock_hub_start(&hub, SMALL_BYTES);
    return 0;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_words),
        cmocka_unit_test(test_interrupt),
        cmocka_unit_test(test_kills),
        cmocka_unit_test_setup(test_steps, begin_small),
    };
    if (argc < 5) return 99;
    program = argv[1];
    n_runs = atoi(argv[2]);
    steps = argv[3];
    every = atoi(argv[4]);
    return cmocka_run_group_tests_name("pull", tests, begin, end);
}
