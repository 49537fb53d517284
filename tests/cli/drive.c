/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdlib.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drive.h"
#include "drive_parts.h"
#include "golden.h"

enum { RUN_S = 180 };

static const char *program;
static char tmp[] = "/tmp/phiscope-cli-XXXXXX";
static struct run last;

void drive_die(const char *what)
{
    fprintf(stderr, "drive: %s: %s\n", what, strerror(errno));
    exit(99);
}

double drive_now_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

/* -- Files ---------------------------------------------------------------------------------- */

void drive_init(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: %s PHISCOPE [--goldens DIR]\n", argv[0]);
        exit(2);
    }
    program = realpath(argv[1], NULL); /* tests may go elsewhere */
    if (!program) drive_die(argv[1]);
    argv[1] = argv[0];
    golden_init(argc - 1, argv + 1);
    if (!mkdtemp(tmp)) drive_die("mkdtemp");
    signal(SIGPIPE, SIG_IGN);
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st, (void)type, (void)at;
    return remove(path);
}

int drive_done(void)
{
    nftw(tmp, remove_one, 16, FTW_DEPTH | FTW_PHYS);
    free(last.out);
    free(last.err);
    return tap_done();
}

const char *drive_tmp(void) { return tmp; }

/* Paths live in a ring: enough for one test case. */
static const char *ring(char *path)
{
    static char *kept[64];
    static int at;
    free(kept[at]);
    kept[at] = path;
    at = (at + 1) % 64;
    return path;
}

const char *drive_file(const char *relative)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", tmp, relative) < 0) drive_die("memory");
    return ring(path);
}

const char *drive_golden(const char *relative)
{
    char *path = NULL;
    if (asprintf(&path, "%s/%s", golden_root(), relative) < 0) drive_die("memory");
    return ring(path);
}

const char *drive_write(const char *relative, const char *text)
{
    const char *path = drive_file(relative);
    FILE *f = fopen(path, "w");
    if (!f || fputs(text, f) < 0 || fclose(f)) drive_die(path);
    return path;
}

const char *drive_lines(const char *text)
{
    static char to[4000];
    size_t n = 0;
    for (const char *p = text; *p; p++)
        n += (size_t)snprintf(to + n, sizeof to - n, "%.*s", *p == '$' ? 200 : 1,
                              *p == '$' ? tmp : p);
    return to;
}

static uint32_t random_state = 1;

void drive_seed(unsigned seed) { random_state = seed; }

unsigned drive_draw(unsigned n)
{
    random_state = random_state * 1664525 + 1013904223;
    return (random_state >> 8) % n;
}

/* Everything that can be read from fd now or later, NUL-terminated. */
static char *slurp(int fd, size_t *ret_n)
{
    char *all = NULL;
    size_t n = 0, cap = 0;
    for (;;) {
        if (n + 65536 > cap) all = realloc(all, cap = 2 * cap + 131072);
        if (!all) drive_die("memory");
        ssize_t k = read(fd, all + n, 65535);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) break;
        n += (size_t)k;
    }
    all[n] = 0;
    if (ret_n) *ret_n = n;
    return all;
}

char *drive_read(const char *path)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return NULL;
    char *text = slurp(fd, NULL);
    close(fd);
    return text;
}

/* -- Pipes ---------------------------------------------------------------------------------- */

static void own_environment(void)
{
    setenv("HOME", tmp, 1);
    setenv("XDG_STATE_HOME", drive_file("state"), 1);
    setenv("XDG_CACHE_HOME", drive_file("cache"), 1);
    setenv("XDG_CONFIG_HOME", drive_file("config"), 1);
    setenv("LC_ALL", "C.UTF-8", 1);
    static const char *const gone[] = {
        "PHISCOPE_MODEL", "HF_HOME", "HF_HUB_CACHE", "NO_COLOR",  "http_proxy", "https_proxy",
        "all_proxy",      "TMUX",    "SSH_TTY",      "COLORTERM", "HTTP_PROXY", "ALL_PROXY"};
    for (size_t i = 0; i < sizeof gone / sizeof *gone; i++) unsetenv(gone[i]);
}

static void change_environment(const char *const *env)
{
    for (; env && *env; env++) {
        char *name = strdup(*env), *value = name ? strchr(name, '=') : NULL;
        if (value) {
            *value++ = 0;
            setenv(name, value, 1);
        } else if (name) {
            unsetenv(name);
        }
        free(name);
    }
}

void drive_become(const char *const *words, const char *const *env)
{
    const char *argv[64] = {program};
    for (int i = 0; words[i] && i < 62; i++) argv[i + 1] = words[i];
    own_environment();
    change_environment(env);
    /* What nohup and background jobs have ignored would stay so. */
    static const int usual[] = {SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGTSTP};
    for (size_t i = 0; i < sizeof usual / sizeof *usual; i++) signal(usual[i], SIG_DFL);
    execv(program, (char *const *)(uintptr_t)argv);
    _exit(98);
}

static int file_with(const char *text)
{
    FILE *f = tmpfile();
    if (!f || (text && fputs(text, f) < 0) || fflush(f)) drive_die("tmpfile");
    int fd = dup(fileno(f));
    fclose(f);
    lseek(fd, 0, SEEK_SET);
    return fd;
}

/* The exit status, -1 after a signal or when it had to be killed at `until`. */
int drive_wait(pid_t pid, double until)
{
    int status;
    for (;;) {
        pid_t done = waitpid(pid, &status, WNOHANG);
        if (done == pid) return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        if (done < 0) return -1;
        if (drive_now_s() > until) {
            kill(pid, SIGKILL);
            waitpid(pid, &status, 0);
            return -1;
        }
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
    }
}

static char *read_back(int fd, size_t *ret_n)
{
    lseek(fd, 0, SEEK_SET);
    char *text = slurp(fd, ret_n);
    close(fd);
    return text;
}

const struct run *drive(const char *input, const char *const *words)
{
    /* Files, not pipes: nothing can wait for nothing. */
    int in = file_with(input), out = file_with(NULL), err = file_with(NULL);
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0) drive_die("fork");
    if (pid == 0) {
        dup2(in, STDIN_FILENO);
        dup2(out, STDOUT_FILENO);
        dup2(err, STDERR_FILENO);
        drive_become(words, NULL);
    }
    close(in);
    free(last.out);
    free(last.err);
    last.status = drive_wait(pid, drive_now_s() + RUN_S);
    last.out = read_back(out, &last.n_out);
    last.err = read_back(err, NULL);
    return &last;
}

json_t *drive_json(int k)
{
    const char *line = last.out;
    for (; line && k > 0; k--) {
        line = strchr(line, '\n');
        if (line) line++;
    }
    return line && *line ? json_loadb(line, strcspn(line, "\n"), JSON_DECODE_ANY, NULL) : NULL;
}
