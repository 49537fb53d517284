/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "term/modes.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Global, because signal handlers and exit() take no argument. */
static _Atomic(struct modes *) kept;

/* -- Writing --------------------------------------------------------------------------------- */

/* Safe in a signal handler. */
static void write_all(int fd, const char *s)
{
    size_t n = strlen(s);
    while (n > 0) {
        ssize_t done = write(fd, s, n);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd out = {.fd = fd, .events = POLLOUT};
            if (poll(&out, 1, 1000) < 1) return;
        } else if (done < 0 && errno != EINTR) {
            return;
        } else if (done > 0) {
            s += done;
            n -= (size_t)done;
        }
    }
}

void modes_send(const struct modes *m, const char *s)
{
    fflush(stdout);
    write_all(m->out_fd, s);
}

/* -- Modes ----------------------------------------------------------------------------------- */

/* Another program may have left the terminal non-blocking; a write could then fail in the middle of
 * a sequence. */
static void wait_in_writes(int fd)
{
    int flags = isatty(fd) ? fcntl(fd, F_GETFL) : 0;
    if (flags > 0 && flags & O_NONBLOCK) fcntl(fd, F_SETFL, flags & ~O_NONBLOCK);
}

void modes_init(struct modes *m, int in_fd, int out_fd)
{
    *m = (struct modes){.in_fd = in_fd, .out_fd = out_fd};
    m->have_original = isatty(in_fd) && tcgetattr(in_fd, &m->original) == 0;
    wait_in_writes(in_fd);
    wait_in_writes(out_fd);
}

static bool same_terminal(int a, int b)
{
    struct stat sa, sb;
    return fstat(a, &sa) == 0 && fstat(b, &sb) == 0 && sa.st_rdev == sb.st_rdev;
}

bool modes_in_foreground(const struct modes *m)
{
    return m->have_original && tcgetpgrp(m->in_fd) == getpgrp();
}

/* No echo and no line editing by the kernel. Without NOFLSH the kernel would drop pending output
 * when a key makes a signal, and cut a sequence in two. */
static struct termios raw_mode(struct termios mode, bool signals)
{
    mode.c_iflag &= (tcflag_t) ~(ICRNL | INLCR | IGNCR | ISTRIP | IXON);
    mode.c_lflag &= (tcflag_t) ~(ECHO | ICANON | IEXTEN | (signals ? 0 : ISIG));
    mode.c_lflag |= NOFLSH;
    mode.c_cc[VMIN] = 1;
    mode.c_cc[VTIME] = 0;
    return mode;
}

static void bracket_pastes(struct modes *m, bool on)
{
    if (m->may_write && on != m->pastes_bracketed)
        modes_send(m, on ? "\033[?2004h" : "\033[?2004l");
    m->pastes_bracketed = on;
}

void modes_set(struct modes *m, enum term_mode mode)
{
    m->mode = mode;
    /* In the background the kernel would stop us, so only TERM_EDITING waits for the foreground;
     * other modes are set when SIGCONT says that we are there. */
    if (!m->have_original || (mode != TERM_EDITING && !modes_in_foreground(m))) return;
    struct termios wanted = m->original;
    if (mode != TERM_USUAL) wanted = raw_mode(m->original, mode == TERM_QUIET);
    if (mode != TERM_EDITING) bracket_pastes(m, false);
    while (tcsetattr(m->in_fd, TCSADRAIN, &wanted) != 0 && errno == EINTR) continue;
    if (mode == TERM_EDITING) bracket_pastes(m, true);
}

bool modes_ask(struct modes *m)
{
    struct termios raw = raw_mode(m->original, false);
    return modes_in_foreground(m) && same_terminal(m->in_fd, m->out_fd) &&
           tcsetattr(m->in_fd, TCSADRAIN, &raw) == 0;
}

/* -- Leaving --------------------------------------------------------------------------------- */

void modes_keep(struct modes *m)
{
    static bool at_exit;
    kept = m;
    if (!at_exit) at_exit = atexit(term_restore) == 0;
}

const struct modes *modes_kept(void) { return kept; }

void modes_end_styles(const struct modes *m)
{
    write_all(m->out_fd, "\033[0m\033[?25h");
    if (m->may_link) write_all(m->out_fd, "\033]8;;\033\\");
}

/* CAN and ST end a sequence that was being written; outside one they have no effect. */
void term_restore(void)
{
    struct modes *m = kept;
    if (!m) return;
    kept = NULL;
    if (m->may_write) {
        write_all(m->out_fd, "\030\033\\");
        modes_end_styles(m);
        write_all(m->out_fd, "\033[?2004l");
    }
    if (modes_in_foreground(m)) tcsetattr(m->in_fd, TCSANOW, &m->original);
}

static const int guarded[] = {SIGTERM, SIGHUP,  SIGQUIT, SIGPIPE, SIGALRM, SIGUSR1, SIGUSR2,
                              SIGXCPU, SIGXFSZ, SIGSEGV, SIGBUS,  SIGFPE,  SIGILL,  SIGABRT};
static struct sigaction guarded_before[sizeof guarded / sizeof *guarded];

/* Restores the terminal and the former handler, which gets the signal next: a fault repeats on
 * return. */
static void on_fatal(int sig, siginfo_t *info, void *context)
{
    (void)context;
    term_restore();
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++)
        if (guarded[i] == sig) sigaction(sig, &guarded_before[i], NULL);
    bool fault = sig == SIGSEGV || sig == SIGBUS || sig == SIGFPE || sig == SIGILL;
    if (!fault || info->si_code <= 0) raise(sig);
}

void term_guard(struct term *t)
{
    (void)t;
    struct sigaction action = {.sa_sigaction = on_fatal, .sa_flags = SA_SIGINFO | SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    for (size_t i = 0; i < sizeof guarded / sizeof *guarded; i++) {
        sigaction(guarded[i], NULL, &guarded_before[i]);
        if (guarded_before[i].sa_handler != SIG_IGN) sigaction(guarded[i], &action, NULL);
    }
}
