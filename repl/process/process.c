/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/memory.h"
#include "process/process.h"

enum { OUT, ERR, SAID, N_PIPES, TICK_MS = 50 }; /* SAID: carries the errno of a failed exec */

struct pipes {
    int read[N_PIPES], write[N_PIPES]; // -1: closed
};

static void close_fd(int *fd)
{
    if (*fd >= 0) close(*fd);
    *fd = -1;
}

static void close_pipes(struct pipes *p)
{
    for (int i = 0; i < N_PIPES; i++) {
        close_fd(&p->read[i]);
        close_fd(&p->write[i]);
    }
}

static bool open_pipes(struct pipes *p)
{
    bool all = true;
    for (int i = 0; i < N_PIPES; i++) {
        int fds[2] = {-1, -1};
        all &= !pipe2(fds, O_CLOEXEC);
        p->read[i] = fds[0];
        p->write[i] = fds[1];
    }
    if (!all) close_pipes(p);
    return all;
}

/* -- In the new process: only calls that are safe between fork and exec ------------------------ */

static void limit(int what, rlim_t most)
{
    struct rlimit now;
    if (getrlimit(what, &now)) return;
    if (most < now.rlim_max) now.rlim_max = most;
    if (most < now.rlim_cur) now.rlim_cur = most;
    setrlimit(what, &now);
}

static void become(const char *const *argv, int in_fd, const struct pipes *p,
                   const struct process_limits *limits)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    setpgid(0, 0); /* Ctrl-C reaches only us, and we then end the process */
    int from[3] = {in_fd, p->write[OUT], p->write[ERR]};
    for (int i = 0; i < 3; i++) from[i] = fcntl(from[i], F_DUPFD_CLOEXEC, 3);
    for (int i = 0; i < 3; i++)
        if (from[i] < 0 || dup2(from[i], i) < 0) _exit(127);
    limit(RLIMIT_AS, limits->memory_bytes);
    limit(RLIMIT_CPU, (rlim_t)limits->seconds + 1);
    limit(RLIMIT_FSIZE, 0);
    limit(RLIMIT_CORE, 0);
    limit(RLIMIT_NOFILE, 64);
    execvp(argv[0], (char *const *)(uintptr_t)argv);
    int why = errno;
    (void)!write(p->write[SAID], &why, sizeof why);
    _exit(127);
}

/* -- In ours ---------------------------------------------------------------------------------- */

/* Reads what there is and keeps at most `room` bytes of it. False at the end of the pipe. */
static bool take(int fd, struct text *to, size_t room)
{
    char bytes[65536];
    ssize_t n = read(fd, bytes, sizeof bytes);
    if (n < 0) return errno == EINTR || errno == EAGAIN;
    size_t kept = (size_t)n < room ? (size_t)n : room;
    text_addn(to, bytes, kept);
    return n > 0;
}

static size_t room_in(const struct text *t, size_t most) { return t->n < most ? most - t->n : 0; }

/* Reads both pipes until they end. */
static enum process_end listen_to(struct pipes *p, const struct process_limits *limits,
                                  struct text *out, struct text *words, bool *ret_stopped)
{
    double end = now_s() + limits->seconds;
    while (p->read[OUT] >= 0 || p->read[ERR] >= 0) {
        struct pollfd fds[2] = {{p->read[OUT], POLLIN, 0}, {p->read[ERR], POLLIN, 0}};
        int n = poll(fds, 2, TICK_MS);
        *ret_stopped = limits->stopped && limits->stopped(limits->user);
        if (*ret_stopped) return PROCESS_FAILED;
        if (now_s() > end) return PROCESS_LATE;
        if (n <= 0) continue;
        if (limits->while_silent) end = now_s() + limits->seconds;
        if (fds[0].revents && !take(p->read[OUT], out, room_in(out, limits->output_bytes + 1)))
            close_fd(&p->read[OUT]);
        if (fds[1].revents && !take(p->read[ERR], words, room_in(words, 4096)))
            close_fd(&p->read[ERR]);
        if (out->n > limits->output_bytes) return PROCESS_TOO_MUCH;
    }
    return PROCESS_FINE;
}

/* Waits for the process, which may go on after closing its pipes; PROCESS_LATE if it is too
 * long. */
static enum process_end wait_for(pid_t pid, const struct process_limits *limits, bool *ret_stopped)
{
    double end = now_s() + limits->seconds;
    int status;
    for (;;) {
        pid_t got = waitpid(pid, &status, WNOHANG);
        if (got == pid && WIFEXITED(status) && !WEXITSTATUS(status)) return PROCESS_FINE;
        if (got == pid || (got < 0 && errno != EINTR)) return PROCESS_FAILED;
        *ret_stopped = limits->stopped && limits->stopped(limits->user);
        if (*ret_stopped || now_s() > end) return PROCESS_LATE;
        poll(NULL, 0, TICK_MS / 10);
    }
}

static void end_process(pid_t pid)
{
    kill(-pid, SIGKILL); /* both, because it may not have its group yet */
    kill(pid, SIGKILL);
    while (waitpid(pid, NULL, 0) < 0 && errno == EINTR) continue;
}

static void keep_first_words(struct process_result *r, const struct text *words)
{
    size_t n = words->s ? strcspn(words->s, "\r\n") : 0;
    if (n >= sizeof r->first_words) n = sizeof r->first_words - 1;
    if (n) memcpy(r->first_words, words->s, n);
    r->first_words[n] = 0;
}

/* Follows the started process to its end. */
static int follow(pid_t pid, struct pipes *p, const struct process_limits *limits,
                  struct process_result *ret, struct phi3v_error *err)
{
    struct text words = {0};
    int why = 0;
    bool stopped = false;
    for (int i = 0; i < N_PIPES; i++) close_fd(&p->write[i]);
    ssize_t n = read(p->read[SAID], &why, sizeof why); /* a successful exec closes it */
    if (n == sizeof why) {
        ret->end = why == ENOENT ? PROCESS_MISSING : PROCESS_FAILED;
        snprintf(ret->first_words, sizeof ret->first_words, "%s", strerror(why));
        end_process(pid);
        return 0;
    }
    ret->end = listen_to(p, limits, &ret->out, &words, &stopped);
    bool listened = ret->end == PROCESS_FINE; /* both pipes have ended */
    if (listened) ret->end = wait_for(pid, limits, &stopped);
    if (!listened || ret->end == PROCESS_LATE) end_process(pid);
    keep_first_words(ret, &words);
    bool missing = ret->out.failed;
    text_free(&words);
    if (!stopped && !missing) return 0;
    text_free(&ret->out);
    return stopped ? refuse(err, PHI3V_E_CANCELLED, "interrupted") : memory_error(err);
}

int process_run(const char *const *argv, int in_fd, const struct process_limits *limits,
                struct process_result *ret, struct phi3v_error *err)
{
    struct pipes p;
    *ret = (struct process_result){0};
    if (!open_pipes(&p))
        return refuse(err, PHI3V_E_IO, "%s cannot be started: %s", argv[0], strerror(errno));
    pid_t pid = fork();
    if (!pid) become(argv, in_fd, &p, limits);
    int rc = pid < 0 ? refuse(err, PHI3V_E_IO, "%s cannot be started: %s", argv[0], strerror(errno))
                     : follow(pid, &p, limits, ret, err);
    close_pipes(&p);
    return rc;
}
