/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _POSIX_C_SOURCE 200809L
#include "tty/clipboard.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/must.h"

extern char **environ;

enum { MOST_BYTES = 256 << 20, LONGEST_S = 10 };

/* A program that knows the clipboard of one kind of desktop. */
struct helper {
    const char *display; // the variable that is set on such a desktop
    const char *name;
    const char *package;
    const char *list[8];  // lists the kinds of data
    const char *fetch[8]; // fetches one; its name is appended
};

static const struct helper helpers[] = {
    {"WAYLAND_DISPLAY",
     "wl-paste",
     "wl-clipboard",
     {"wl-paste", "--list-types"},
     {"wl-paste", "--no-newline", "--type"}},
    {"DISPLAY",
     "xclip",
     "xclip",
     {"xclip", "-selection", "clipboard", "-o", "-t", "TARGETS"},
     {"xclip", "-selection", "clipboard", "-o", "-t"}},
};

/* The useful kinds of data, the best first. */
static const char *const kinds[] = {"image/png",
                                    "image/jpeg",
                                    "image/webp",
                                    "image/gif",
                                    "image/tiff",
                                    "image/bmp",
                                    "image/avif",
                                    "image/heif",
                                    "image/jxl",
                                    "text/uri-list",
                                    "x-special/gnome-copied-files",
                                    "text/plain;charset=utf-8",
                                    "UTF8_STRING",
                                    "text/plain",
                                    "STRING"};

/* -- Running one ------------------------------------------------------------------------------ */

enum outcome { RAN, NOT_FOUND, FAILED, STOPPED };

/* Standard input and stderr are /dev/null: a helper must neither read keys nor write on the
 * screen. */
static int start(const char *const *argv, int out_fd, pid_t *ret)
{
    posix_spawn_file_actions_t files;
    if (posix_spawn_file_actions_init(&files)) return ENOMEM;
    posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_adddup2(&files, out_fd, STDOUT_FILENO);
    posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    int rc = posix_spawnp(ret, argv[0], &files, NULL, (char *const *)argv, environ);
    posix_spawn_file_actions_destroy(&files);
    return rc;
}

/* Reads everything until the end, until it is stopped, or until nothing has come for too long. */
static enum outcome take_all(int fd, bool (*stopped)(void *), void *user, struct text *out)
{
    char bytes[65536];
    struct pollfd in = {.fd = fd, .events = POLLIN};
    for (double latest = now_s(); now_s() - latest < LONGEST_S;) {
        if (stopped(user)) return STOPPED;
        if (poll(&in, 1, 50) <= 0) continue;
        ssize_t n = read(fd, bytes, sizeof bytes);
        if (n < 0 && errno == EINTR) continue;
        if (n < 0 || out->n > MOST_BYTES) return FAILED;
        if (n == 0) return RAN;
        text_addn(out, bytes, (size_t)n);
        latest = now_s();
    }
    return FAILED;
}

static enum outcome run(const char *const *argv, bool (*stopped)(void *), void *user,
                        struct text *out)
{
    int fds[2], status = 0;
    pid_t pid;
    if (pipe(fds)) return FAILED;
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    int rc = start(argv, fds[1], &pid);
    close(fds[1]);
    enum outcome outcome = rc == ENOENT ? NOT_FOUND : FAILED;
    if (!rc) {
        outcome = take_all(fds[0], stopped, user, out);
        if (outcome != RAN) kill(pid, SIGKILL);
        while (waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
        if (outcome == RAN && status) outcome = FAILED;
    }
    close(fds[0]);
    return outcome;
}

/* -- Asking one ------------------------------------------------------------------------------- */

/* The best kind of those listed, one per line; NULL when none is useful. */
static const char *best_kind(const char *list)
{
    for (size_t k = 0; k < sizeof kinds / sizeof *kinds; k++) {
        size_t n = strlen(kinds[k]);
        for (const char *line = list; line; line = strchr(line, '\n')) {
            line += *line == '\n';
            if (!strncmp(line, kinds[k], n) && (!line[n] || line[n] == '\n')) return kinds[k];
        }
    }
    return NULL;
}

static enum outcome ask(const struct helper *h, bool (*stopped)(void *), void *user,
                        struct text *ret)
{
    struct text list = {0};
    enum outcome outcome = run(h->list, stopped, user, &list);
    const char *kind = outcome == RAN && list.s ? best_kind(list.s) : NULL;
    text_free(&list);
    if (!kind) return outcome == RAN ? FAILED : outcome;
    const char *argv[10] = {0};
    size_t n = 0;
    while (h->fetch[n]) argv[n] = h->fetch[n], n++;
    argv[n] = kind;
    outcome = run(argv, stopped, user, ret);
    if (outcome != RAN) text_free(ret);
    return outcome;
}

/* -- The whole -------------------------------------------------------------------------------- */

static bool is_set(const char *variable)
{
    const char *value = getenv(variable);
    return value && *value;
}

static int explain(const struct helper *missing, bool asked, struct phi3v_error *err)
{
    if (missing)
        return refuse(
            err, PHI3V_E_IO,
            "reading the clipboard needs %s, which is not installed: sudo apt install %s (or "
            "what your system uses), then :paste again",
            missing->name, missing->package);
    if (asked) return refuse(err, PHI3V_E_IO, "the clipboard holds neither a picture nor text");
    return refuse(
        err, PHI3V_E_IO,
        "this terminal does not share its clipboard, and there is no desktop to ask: save "
        "the picture as a file and :load that");
}

int clipboard_read(struct term *t, bool (*stopped)(void *user), void *user, char **ret_bytes,
                   size_t *ret_n, struct phi3v_error *err)
{
    const struct helper *missing = NULL;
    bool asked = false;
    for (size_t k = 0; k < sizeof helpers / sizeof *helpers; k++) {
        struct text found = {0};
        if (!is_set(helpers[k].display)) continue;
        enum outcome outcome = ask(&helpers[k], stopped, user, &found);
        if (outcome == STOPPED) return refuse(err, PHI3V_E_CANCELLED, "stopped");
        if (outcome == NOT_FOUND && !missing) missing = &helpers[k];
        if (outcome != NOT_FOUND) asked = true;
        if (!found.n) continue;
        *ret_n = found.n;
        *ret_bytes = xtake(&found);
        return 0;
    }
    char *bytes = t && !asked ? term_clipboard(t, stopped, user, ret_n) : NULL;
    if (stopped(user)) {
        free(bytes);
        return refuse(err, PHI3V_E_CANCELLED, "stopped");
    }
    if (!bytes) return explain(missing, asked, err);
    *ret_bytes = bytes;
    return 0;
}
