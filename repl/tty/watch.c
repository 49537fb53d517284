/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "tty/watch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/must.h"

#define QUIET_S 0.2 /* because some programs close a file and open it again */
enum { MOST_FILES = 10000 };

struct file {
    char *name;
    double ready_s; // when it counts; 0: it is still being written
};

struct watch {
    int fd;
    char *folder;
    struct file *files; // in order of appearance
    size_t n;
    bool gone, missed;
};

int watch_open(const char *folder, struct watch **ret, struct phi3v_error *err)
{
    enum {
        EVENTS = IN_CLOSE_WRITE | IN_MOVED_TO | IN_CREATE | IN_MODIFY | IN_DELETE | IN_MOVED_FROM |
                 IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR
    };
    int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
    if (fd < 0 || inotify_add_watch(fd, folder, EVENTS) < 0) {
        int why = errno;
        if (fd >= 0) close(fd);
        return refuse(err, PHI3V_E_IO, "cannot watch %.300s: %s", folder,
                      why == ENOSPC ? "the system watches as many files as it may "
                                      "(fs.inotify.max_user_watches)"
                                    : strerror(why));
    }
    struct watch *w = xcalloc(1, sizeof *w);
    w->fd = fd;
    w->folder = xstrdup(folder);
    *ret = w;
    return 0;
}

void watch_close(struct watch *w)
{
    if (!w) return;
    for (size_t i = 0; i < w->n; i++) free(w->files[i].name);
    free(w->files);
    free(w->folder);
    close(w->fd);
    free(w);
}

int watch_fd(const struct watch *w) { return w ? w->fd : -1; }

/* -- What happens ----------------------------------------------------------------------------- */

static char *path_of(const struct watch *w, const char *name)
{
    return xasprintf("%s/%s", w->folder, name);
}

static void remove_file(struct watch *w, size_t i)
{
    free(w->files[i].name);
    memmove(&w->files[i], &w->files[i + 1], (w->n - i - 1) * sizeof *w->files);
    w->n--;
}

static size_t find_file(const struct watch *w, const char *name)
{
    size_t i = 0;
    while (i < w->n && strcmp(w->files[i].name, name) != 0) i++;
    return i;
}

static void set_ready(struct watch *w, const char *name, double ready_s)
{
    size_t i = find_file(w, name);
    if (i == MOST_FILES) {
        w->missed = true;
        return;
    }
    if (i == w->n) {
        w->files = xgrow(w->files, w->n + 1, sizeof *w->files);
        w->files[w->n++].name = xstrdup(name);
    }
    w->files[i].ready_s = ready_s;
}

/* A link is complete as soon as it appears; no close will follow. */
static bool appears_whole(const struct watch *w, const char *name)
{
    struct stat st;
    char *path = path_of(w, name);
    bool whole = !lstat(path, &st) && (S_ISLNK(st.st_mode) || st.st_nlink > 1);
    free(path);
    return whole;
}

static void happened(struct watch *w, const struct inotify_event *e)
{
    if (e->mask & IN_Q_OVERFLOW) w->missed = true;
    if (e->mask & (IN_DELETE_SELF | IN_MOVE_SELF | IN_IGNORED | IN_UNMOUNT)) w->gone = true;
    if (!e->len || e->name[0] == '.' || e->mask & IN_ISDIR) return;
    if (e->mask & (IN_CLOSE_WRITE | IN_MOVED_TO))
        set_ready(w, e->name, now_s() + QUIET_S);
    else if (e->mask & IN_MODIFY)
        set_ready(w, e->name, 0);
    else if (e->mask & IN_CREATE)
        set_ready(w, e->name, appears_whole(w, e->name) ? now_s() + QUIET_S : 0);
    size_t i = find_file(w, e->name);
    if (e->mask & (IN_DELETE | IN_MOVED_FROM) && i < w->n) remove_file(w, i);
}

static void read_events(struct watch *w)
{
    _Alignas(struct inotify_event) char bytes[16384];
    ssize_t n;
    while ((n = read(w->fd, bytes, sizeof bytes)) > 0)
        for (ssize_t at = 0; at < n;) {
            const struct inotify_event *e = (const struct inotify_event *)(void *)(bytes + at);
            happened(w, e);
            at += (ssize_t)(sizeof *e + e->len);
        }
}

/* -- What comes of it ------------------------------------------------------------------------- */

/* The first file that is ready, for the caller to free; NULL when none is. */
static char *take_ready(struct watch *w, bool (*wants)(const char *path), double now)
{
    for (size_t i = 0; i < w->n;) {
        if (w->files[i].ready_s <= 0 || w->files[i].ready_s > now) {
            i++;
            continue;
        }
        char *path = path_of(w, w->files[i].name);
        remove_file(w, i);
        if (wants(path)) return path;
        free(path);
    }
    return NULL;
}

static int wait_ms(const struct watch *w, double now)
{
    double next = 0;
    for (size_t i = 0; i < w->n; i++)
        if (w->files[i].ready_s > 0 && (next <= 0 || w->files[i].ready_s < next))
            next = w->files[i].ready_s;
    return next > 0 ? (int)((next - now) * 1e3) + 1 : -1;
}

enum watch_news watch_next(struct watch *w, bool (*wants)(const char *path), char **ret_path,
                           int *ret_wait_ms)
{
    *ret_wait_ms = -1;
    if (!w) return WATCH_NOTHING;
    read_events(w);
    double now = now_s();
    if ((*ret_path = take_ready(w, wants, now))) return WATCH_FILE;
    if (w->missed) {
        w->missed = false;
        return WATCH_MISSED;
    }
    *ret_wait_ms = wait_ms(w, now);
    return w->gone ? WATCH_GONE : WATCH_NOTHING;
}
