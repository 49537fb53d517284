/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "drive.h"
#include "drive_parts.h"
#include "golden.h"
#include "vt.h"

enum { EXPECT_S = 60, QUIET_MS = 400, NOTE_BYTES = 600, AWAY_MS = 50 };

struct pty {
    pid_t pid, program; // what we started; the program, below a shell where there is one
    int fd;
    char *text; // [n] everything that came
    size_t n, cap, found;
    size_t answered; // up to here questions were looked for
    const char *attributes;
    bool job;
    struct termios mode; // before the program
    struct vt *vt;
};

/* -- Life ----------------------------------------------------------------------------------- */

static void be_program(const char *const *words, const struct pty_options *opt)
{
    setenv("TERM", "xterm", 1);
    setenv("INPUTRC", "/dev/null", 1);
    if (opt->output_file) {
        int fd = open(opt->output_file, O_WRONLY | O_CREAT | O_TRUNC, 0600);
        if (fd >= 0) dup2(fd, STDOUT_FILENO);
    }
    drive_become(words, opt->env);
}

static struct timespec milliseconds(int ms)
{
    return (struct timespec){.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000L};
}

/* What the job has left in the input would be the next thing that a shell reads. */
static void tell_left(void)
{
    struct termios mode;
    struct pollfd in = {.fd = 0, .events = POLLIN};
    char bytes[256];
    ssize_t n = 0;
    tcgetattr(0, &mode);
    mode.c_lflag &= (tcflag_t) ~(ICANON | ECHO);
    tcsetpgrp(0, getpgrp());
    tcsetattr(0, TCSADRAIN, &mode);
    while (poll(&in, 1, 500) > 0) {
        ssize_t k = read(0, bytes, sizeof bytes);
        if (k <= 0) break;
        n += k;
    }
    dprintf(1, "(%zd bytes left)\r\n", n);
}

/* Whether somebody else has continued it: a line of ours would stand in the middle of its output. */
static bool goes_on_already(pid_t job)
{
    siginfo_t info = {0};
    return !waitid(P_PID, (id_t)job, &info, WCONTINUED | WNOHANG | WNOWAIT) && info.si_pid == job;
}

/* A shell with one job, in the foreground again a moment after it was stopped. */
static void be_shell(const char *const *words, const struct pty_options *opt, int tell)
{
    struct termios sane;
    struct timespec away = milliseconds(AWAY_MS);
    int status;
    tcgetattr(0, &sane);
    sane.c_lflag &= (tcflag_t)~ECHO; /* what the kernel writes is none of the program's */
    tcsetattr(0, TCSADRAIN, &sane);
    static const int ignored[] = {SIGTTOU, SIGTTIN, SIGINT, SIGQUIT, SIGTSTP};
    for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_IGN);
    pid_t job = fork();
    if (job == 0) {
        setpgid(0, 0);
        tcsetpgrp(0, getpid());
        for (size_t i = 0; i < sizeof ignored / sizeof *ignored; i++) signal(ignored[i], SIG_DFL);
        be_program(words, opt);
    }
    if (write(tell, &job, sizeof job) != sizeof job) _exit(97);
    while (waitpid(job, &status, WUNTRACED) == job && WIFSTOPPED(status)) {
        tcsetpgrp(0, getpgrp());
        tcsetattr(0, TCSADRAIN, &sane);
        if (!goes_on_already(job) && write(1, "(stopped)\r\n", 11) < 0) _exit(97);
        nanosleep(&away, NULL);
        tcsetpgrp(0, job);
        kill(-job, SIGCONT);
    }
    tell_left();
    _exit(WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status));
}

struct pty *pty_start_with(const char *const *words, const struct pty_options *opt)
{
    struct pty *p = calloc(1, sizeof *p);
    int tell[2];
    int cols = opt->cols ? opt->cols : 80, rows = opt->rows ? opt->rows : 24;
    struct winsize size = {.ws_row = (unsigned short)rows,
                           .ws_col = (unsigned short)cols,
                           .ws_xpixel = (unsigned short)(8 * cols),
                           .ws_ypixel = (unsigned short)(16 * rows)};
    if (!p || pipe(tell)) drive_die("pty_start");
    p->attributes = opt->attributes ? opt->attributes : "\033[?62;22c";
    p->vt = vt_new(cols, rows, 8, 16);
    p->vt->may_wrap = p->vt->may_cover = p->vt->may_stop = true;
    fflush(NULL);
    p->pid = p->program = forkpty(&p->fd, NULL, NULL, &size);
    if (p->pid < 0) drive_die("forkpty");
    p->job = opt->job;
    if (p->pid > 0) tcgetattr(p->fd, &p->mode);
    if (p->pid == 0 && opt->job) be_shell(words, opt, tell[1]);
    if (p->pid == 0) be_program(words, opt);
    if (opt->job && read(tell[0], &p->program, sizeof p->program) != sizeof p->program)
        drive_die("the shell");
    close(tell[0]);
    close(tell[1]);
    return p;
}

struct pty *pty_start(const char *const *words)
{
    return pty_start_with(words, &(struct pty_options){0});
}

/* -- Bytes ---------------------------------------------------------------------------------- */

/* Takes what comes within ms; false when nothing did. Answers "what are you?". */
static bool take(struct pty *p, int ms)
{
    struct pollfd in = {.fd = p->fd, .events = POLLIN};
    if (poll(&in, 1, ms) <= 0) return false;
    if (p->n + 65536 > p->cap) p->text = realloc(p->text, p->cap = 2 * p->cap + 131072);
    if (!p->text) drive_die("memory");
    ssize_t k = read(p->fd, p->text + p->n, 65535);
    if (k <= 0) return false;
    vt_feed(p->vt, p->text + p->n, (size_t)k);
    for (ssize_t i = 0; i < k; i++)
        if (!p->text[p->n + (size_t)i]) p->text[p->n + (size_t)i] = '?';
    p->n += (size_t)k;
    p->text[p->n] = 0;
    char *question = strstr(p->text + p->answered, "\033[c");
    if (question) {
        p->answered = (size_t)(question - p->text) + 3;
        pty_type(p, p->attributes);
    }
    return true;
}

void pty_wait(struct pty *p, int ms)
{
    double until = drive_now_s() + ms / 1000.0, left;
    while ((left = until - drive_now_s()) > 0) take(p, (int)(left * 1000) + 1);
}

struct pty *pty_start_notebook(const struct pty_options *opt)
{
    const char *const words[] = {
        "-m", drive_golden("models/tiny-gqa-bf16"), "--num-crops", "1", "--max-new-tokens", "3",
        NULL};
    struct pty *p = pty_start_with(words, opt);
    tap_ok(pty_sees(p, "In [1]:"), "the notebook opens");
    return p;
}

void pty_type(struct pty *p, const char *keys) { pty_send(p, keys, strlen(keys)); }

void pty_send(struct pty *p, const char *bytes, size_t n)
{
    double until = drive_now_s() + EXPECT_S;
    while (n > 0 && drive_now_s() < until) {
        struct pollfd fd = {.fd = p->fd, .events = POLLIN | POLLOUT};
        if (poll(&fd, 1, 1000) < 1) continue;
        if (fd.revents & POLLIN) take(p, 0);
        if (!(fd.revents & POLLOUT)) continue;
        ssize_t k = write(p->fd, bytes, n < 1024 ? n : 1024);
        if (k < 0 && errno != EAGAIN && errno != EINTR) {
            tap_note("typing: %s", strerror(errno));
            return;
        }
        if (k > 0) bytes += k, n -= (size_t)k;
    }
}

/* The last of what came instead, line by line. */
static void tell_rest(const struct pty *p, const char *wanted)
{
    const char *line = p->text ? p->text + p->found : "";
    size_t n_rest = strlen(line);
    if (n_rest > NOTE_BYTES) line += n_rest - NOTE_BYTES;
    tap_note("wanted \"%s\", came:", wanted);
    while (*line) {
        size_t n = strcspn(line, "\r\n");
        if (n) tap_note("  %.*s", (int)n, line);
        line += n + (line[n] != 0);
    }
}

static bool has_ended(const struct pty *p)
{
    siginfo_t info = {0};
    return waitid(P_PID, (id_t)p->pid, &info, WEXITED | WNOHANG | WNOWAIT) || info.si_pid;
}

bool pty_expect(struct pty *p, const char *text)
{
    double until = drive_now_s() + EXPECT_S;
    for (;;) {
        char *at = p->text ? strstr(p->text + p->found, text) : NULL;
        if (at) {
            p->found = (size_t)(at - p->text) + strlen(text);
            return true;
        }
        if (drive_now_s() > until || (!take(p, 200) && has_ended(p))) break;
    }
    tell_rest(p, text);
    return false;
}

bool pty_came(struct pty *p, const char *text)
{
    double until = drive_now_s() + EXPECT_S; // a program that never falls silent must not hold us
    while (drive_now_s() < until && take(p, QUIET_MS)) {}
    return p->text && strstr(p->text + p->found, text);
}

/* -- The screen ----------------------------------------------------------------------------- */

const char *pty_screen(struct pty *p)
{
    static char screen[VT_MAX_ROWS * (4 * VT_MAX_COLS + 2)];
    size_t n = 0;
    for (int y = 0; y < p->vt->rows; y++)
        n += (size_t)snprintf(screen + n, sizeof screen - n, "%s\n", vt_row(p->vt, y));
    return screen;
}

static bool shows(struct pty *p, const char *row, bool with_cursor, int column)
{
    for (int y = 0; y < p->vt->rows; y++)
        if (!strcmp(vt_row(p->vt, y), row) &&
            (!with_cursor || (y == p->vt->y && (column < 0 || column == p->vt->x))))
            return true;
    return false;
}

static bool wait_for_row(struct pty *p, const char *row, bool with_cursor, int column)
{
    double until = drive_now_s() + EXPECT_S / 6;
    while (!shows(p, row, with_cursor, column)) {
        if (drive_now_s() < until && (take(p, 100) || !has_ended(p))) continue;
        tap_note("wanted the row \"%s\"; cursor in row %d, column %d of:", row, p->vt->y, p->vt->x);
        for (int y = 0; y < p->vt->rows; y++) tap_note("  |%s", vt_row(p->vt, y));
        return false;
    }
    if (p->text) p->found = p->n;
    return true;
}

const char *pty_bytes(struct pty *p) { return p->text ? p->text : ""; }

bool pty_sees(struct pty *p, const char *row) { return wait_for_row(p, row, false, 0); }

bool pty_cursor(struct pty *p, const char *row, int column)
{
    return wait_for_row(p, row, true, column);
}

void pty_resize(struct pty *p, int cols, int rows)
{
    struct winsize size = {.ws_row = (unsigned short)rows,
                           .ws_col = (unsigned short)cols,
                           .ws_xpixel = (unsigned short)(8 * cols),
                           .ws_ypixel = (unsigned short)(16 * rows)};
    vt_resize(p->vt, cols, rows);
    p->vt->may_clamp = true; /* what is on its way was meant for another size */
    ioctl(p->fd, TIOCSWINSZ, &size);
}

int pty_pid(const struct pty *p) { return p->program; }

void pty_signal(struct pty *p, int signal_number) { kill(p->program, signal_number); }

/* What came around the first wrong byte. */
static void tell_error(const struct pty *p)
{
    size_t at = p->vt->error_at, from = at > 300 ? at - 300 : 0, to = at + 100;
    char line[1700];
    size_t n = 0;
    if (!p->vt->error[0]) return;
    for (size_t i = from; i < to && i < p->n; i++) {
        unsigned char c = (unsigned char)p->text[i];
        bool plain = c >= 0x20 && c < 0x7F;
        n += (size_t)snprintf(line + n, sizeof line - n, plain ? "%c" : "\\%02x", c);
    }
    tap_note("%s", line);
}

/* -- The end -------------------------------------------------------------------------------- */

/* Modes of the terminal, and what it was told. */
static bool left_as_found(const struct pty *p)
{
    struct termios now;
    if (p->vt->pastes_bracketed) return false;
    return p->job || tcgetattr(p->fd, &now) ||
           (now.c_lflag == p->mode.c_lflag && now.c_iflag == p->mode.c_iflag &&
            now.c_oflag == p->mode.c_oflag);
}

static int gone(struct pty *p)
{
    double until = drive_now_s() + EXPECT_S;
    while (drive_now_s() < until && take(p, 1000)) {}
    return drive_wait(p->pid, until);
}

static void release(struct pty *p)
{
    close(p->fd);
    vt_free(p->vt);
    free(p->text);
    free(p);
}

int pty_leave(struct pty *p)
{
    pty_type(p, "\003\004");
    return pty_end(p);
}

void pty_kill(struct pty *p)
{
    kill(p->pid, SIGKILL);
    gone(p);
    release(p);
}

int pty_end(struct pty *p)
{
    int status = gone(p);
    vt_end(p->vt);
    tell_error(p);
    tap_ok(!p->vt->error[0], "what the terminal got is text and whole sequences%s%s",
           p->vt->error[0] ? ": " : "", p->vt->error);
    if (!left_as_found(p)) tap_ok(false, "the terminal is left as it was found");
    release(p);
    return status;
}
