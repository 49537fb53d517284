/* SPDX-License-Identifier: GPL-3.0-or-later
 * Notebooks that are killed at any moment, alone and several at once on one state directory. No
 * cell older than the running one is lost, nothing half-written is left.
 *
 *     notebook_crash_test [KILLS]
 *
 * Where the system allows it every process that is killed has the same process id, the first of a
 * namespace of its own: names must not depend on it. */
#define _GNU_SOURCE
#include <dirent.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "recorder.h"

enum { MOST_INSTANCES = 10 };

/* What an instance has finished, told before the next begins. */
struct told {
    volatile int begun, finished; // cells; `finished` counts those whose evaluation has returned
    volatile int saved;           // of them in its file
    volatile int pid;             // its own, as it sees it
    volatile int victim;          // and as it is seen from here
};

static struct recorder r;
static struct told *told; // [MOST_INSTANCES], shared
static int n_kills = 6;
static int n_parts, n_checked, n_cells, n_same_pid;

/* -- One that will be killed ------------------------------------------------------------------ */

static void live(int number)
{
    char source[80], file[40];
    struct told *t = &told[number];
    snprintf(file, sizeof file, "mine-%d.ipynb", number);
    recorder_restart(&r, true);
    t->pid = getpid();
    for (int k = 1;; k++) {
        snprintf(source, sizeof source, "Cell %d of %d", k, number);
        t->begun = k;
        works(&r, source);
        t->finished = k;
        if (k % 7 == 3) { /* a cell that changes, one that goes, another notebook for a while */
            works(&r, ":run 1 seed=3");
            works(&r, "gone");
            works(&r, ":undo");
            works(&r, ":reset");
            works(&r, ":undo");
        }
        if (k % 9 == 8) {
            snprintf(source, sizeof source, ":save! %s", file);
            works(&r, source);
            t->saved = k;
        }
    }
}

/* A process in a namespace of its own, whose first it is; the one that is returned is its parent
 * and dies with it. */
static pid_t start(int number)
{
    told[number] = (struct told){0};
    pid_t outer = fork();
    assert_true(outer >= 0);
    if (outer) return outer;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (unshare(CLONE_NEWPID)) {
        told[number].victim = getpid();
        live(number);
    } else {
        pid_t inner = fork();
        if (!inner) {
            prctl(PR_SET_PDEATHSIG, SIGKILL);
            live(number);
        }
        int status;
        told[number].victim = inner;
        waitpid(inner, &status, 0);
    }
    _exit(0);
}

/* Kills the instance and waits until it is gone, its locks with it. */
static void end(pid_t pid, int victim)
{
    int status;
    kill(victim, SIGKILL);
    assert_int_equal(waitpid(pid, &status, 0), pid);
}

static void wait_ms(int ms)
{
    struct timespec t = {ms / 1000, ms % 1000 * 1000000L};
    nanosleep(&t, NULL);
}

/* -- What it left ----------------------------------------------------------------------------- */

/* The cells of the present notebook that are of an instance; they stand in order. */
static int cells_of(int number)
{
    int n = 0;
    char want[80];
    for (int i = 1; i <= nb_n_cells(r.nb); i++) {
        snprintf(want, sizeof want, "Cell %d of %d", n + 1, number);
        n += !strcmp(nb_cell_prompt(r.nb, i), want);
    }
    return n;
}

static void best(int number, int *most)
{
    int n = cells_of(number);
    if (n > *most) *most = n;
}

static void check(int n_instances)
{
    int most[MOST_INSTANCES] = {0};
    recorder_restart(&r, true);
    assert_int_equal(recorder_files("state", ".part"), 0);
    for (int k = 0; k < n_instances; k++) {
        char line[60];
        snprintf(line, sizeof line, ":open mine-%d.ipynb", k);
        if (access(strchr(line, ' ') + 1, F_OK)) continue;
        works(&r, line);
        best(k, &most[k]);
    }
    for (int tries = 0;; tries++) {
        assert_true(tries < 100);
        char *path = nb_latest_left_behind(r.nb);
        if (!path) break;
        char *line = text_format(":open %s", path);
        works(&r, line); /* whole, or it would say so */
        for (int k = 0; k < n_instances; k++) best(k, &most[k]);
        works(&r, ":save! seen.ipynb");
        free(line);
        free(path);
    }
    for (int k = 0; k < n_instances; k++) {
        n_checked++;
        n_cells += most[k];
        n_same_pid += told[k].pid <= 1;
        if (most[k] < told[k].finished || most[k] > told[k].begun)
            fail_msg("instance %d had finished %d of %d cells, saved %d; %d are there", k,
                     told[k].finished, told[k].begun, told[k].saved, most[k]);
    }
    assert_int_equal(recorder_files("state", "autosave-") + recorder_files("state", "last-"), 0);
    n_parts += recorder_files(".", ".part");
    if (!nb_n_cells(r.nb)) works(&r, "Cell");
    for (int k = 0; k < n_instances; k++) {
        char line[60];
        snprintf(line, sizeof line, ":save! mine-%d.ipynb", k);
        works(&r, line);
        unlink(strchr(line, ' ') + 1);
    }
    assert_int_equal(recorder_files(".", ".part"), 0);
    recorder_stop(&r);
}

/* -- Rounds ----------------------------------------------------------------------------------- */

static void kill_some(int n_instances, unsigned *chance)
{
    pid_t pid[MOST_INSTANCES];
    for (int k = 0; k < n_instances; k++) pid[k] = start(k);
    /* Until the slowest has begun, then anywhere in its work. */
    for (int k = 0; k < n_instances; k++)
        for (int ms = 0; !told[k].begun && ms < 60000; ms++) wait_ms(1);
    *chance = *chance * 1664525u + 1013904223u;
    wait_ms((int)(*chance >> 8) % (40 * n_instances + 160));
    for (int k = 0; k < n_instances; k++) end(pid[k], told[k].victim);
    check(n_instances);
}

static void killed(int n_instances, int times)
{
    unsigned chance = (unsigned)n_instances;
    recorder_open(&r, true);
    recorder_stop(&r);
    for (int k = 0; k < times; k++) kill_some(n_instances, &chance);
    recorder_close(&r);
}

static void alone(void **state)
{
    (void)state;
    killed(1, n_kills);
}

static void two_at_once(void **state)
{
    (void)state;
    killed(2, (n_kills + 9) / 10);
}

static void ten_at_once(void **state)
{
    (void)state;
    killed(10, (n_kills + 19) / 20);
}

static int setup(void **state)
{
    (void)state;
    told = mmap(NULL, MOST_INSTANCES * sizeof *told, PROT_READ | PROT_WRITE,
                MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return told == MAP_FAILED;
}

static int summary(void **state)
{
    (void)state;
    printf("# %d processes killed, %d of them with process id 1, %d cells came back; %d parts of "
           "files lay beside the person's until the next :save\n",
           n_checked, n_same_pid, n_cells, n_parts);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc > 1) n_kills = atoi(argv[1]);
    const struct CMUnitTest tests[] = {cmocka_unit_test(alone), cmocka_unit_test(two_at_once),
                                       cmocka_unit_test(ten_at_once)};
    return cmocka_run_group_tests(tests, setup, summary);
}
