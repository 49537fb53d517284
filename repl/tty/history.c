/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "common/files.h"
#include "tty/history.h"
#include "common/json.h"

enum { READ_BYTES = 16 << 20, ENTRY_BYTES = 1 << 20 };

char *history_path(void)
{
    char *dir = xdg_dir("XDG_STATE_HOME", ".local/state");
    char *path = dir ? xasprintf("%s/history", dir) : NULL;
    free(dir);
    return path;
}

/* -- Entries -------------------------------------------------------------------------------- */

static void add_line(struct strings *list, const char *line, size_t n)
{
    json_t *entry = json_loadb(line, n, JSON_DECODE_ANY, NULL);
    if (json_is_string(entry)) strings_add(list, json_string_value(entry));
    json_decref(entry);
}

static void keep_last(struct strings *list, size_t n)
{
    if (list->n <= n) return;
    size_t extra = list->n - n;
    for (size_t i = 0; i < extra; i++) free(list->v[i]);
    memmove(list->v, list->v + extra, n * sizeof *list->v);
    list->n = n;
}

static char *entry_line(const char *entry)
{
    json_t *value = json_text(entry);
    char *line = json_line(value);
    json_decref(value);
    return line;
}

/* -- The file ------------------------------------------------------------------------------- */

/* Opens a plain file, else returns -1; opening a pipe would block. */
static int open_plain(const char *path, int flags)
{
    struct stat st;
    int fd = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0600);
    if (fd >= 0 && !fstat(fd, &st) && S_ISREG(st.st_mode)) return fd;
    if (fd >= 0) close(fd);
    return -1;
}

/* Others hold the lock only briefly, so a longer wait means that its holder was stopped: give
 * up. */
static bool lock_briefly(int fd)
{
    struct timespec moment = {.tv_nsec = 10000000};
    for (int i = 0; i < 200; i++) {
        if (!flock(fd, LOCK_EX | LOCK_NB)) return true;
        nanosleep(&moment, NULL);
    }
    return false;
}

/* Opens and, if possible, locks the file. Opens it again when another program has replaced it by a
 * shorter one meanwhile. */
static int open_locked(const char *path, int flags, bool *ret_locked)
{
    struct stat ours, now;
    for (int i = 0; i < 5; i++) {
        int fd = open_plain(path, flags);
        if (fd < 0) return -1;
        *ret_locked = lock_briefly(fd);
        if (!fstat(fd, &ours) && !stat(path, &now) && ours.st_ino == now.st_ino) return fd;
        close(fd);
    }
    return -1;
}

/* The last part of the file from the beginning of a line, NUL-terminated. *ret_all says whether
 * that is the whole file. */
static char *read_end(int fd, bool *ret_all)
{
    struct stat st;
    if (fstat(fd, &st)) return NULL;
    off_t from = st.st_size > READ_BYTES ? st.st_size - READ_BYTES : 0;
    char *bytes = xalloc(READ_BYTES + 1);
    ssize_t n = 0, k;
    while (n < READ_BYTES && (k = pread(fd, bytes + n, (size_t)(READ_BYTES - n), from + n)) > 0)
        n += k;
    bytes[n] = 0;
    *ret_all = from == 0;
    char *line = from ? strchr(bytes, '\n') : NULL;
    if (line) memmove(bytes, line + 1, strlen(line + 1) + 1);
    return bytes;
}

/* Returns true when the file should be cut back. */
static bool read_entries(int fd, struct strings *ret)
{
    bool all = true;
    char *bytes = read_end(fd, &all);
    for (const char *p = bytes; p && *p;) {
        size_t k = strcspn(p, "\n");
        add_line(ret, p, k);
        p += k + (p[k] == '\n');
    }
    free(bytes);
    bool is_long = !all || ret->n > 2 * HISTORY_MAX;
    keep_last(ret, HISTORY_MAX);
    return is_long;
}

/* Reads the file again under the lock, because others append to it. */
static void cut_back(const char *path)
{
    struct strings list = {0};
    struct text all = {0};
    bool locked;
    int fd = open_locked(path, O_RDWR, &locked);
    if (fd < 0) return;
    if (locked && read_entries(fd, &list)) {
        for (size_t i = 0; i < list.n; i++) {
            char *line = entry_line(list.v[i]);
            text_addf(&all, "%s\n", line);
            free(line);
        }
        char *bytes = xtake(&all);
        store_file(path, bytes, strlen(bytes), 0600, NULL);
        free(bytes);
    }
    strings_free(&list);
    close(fd);
}

void history_read(const char *path, struct strings *ret)
{
    *ret = (struct strings){0};
    int fd = path ? open_plain(path, O_RDONLY) : -1;
    if (fd < 0) return;
    bool is_long = read_entries(fd, ret);
    close(fd);
    if (is_long) cut_back(path);
}

void history_append(const char *path, const char *entry)
{
    if (!path || strlen(entry) > ENTRY_BYTES) return;
    bool locked;
    int fd = open_locked(path, O_WRONLY | O_APPEND | O_CREAT, &locked);
    if (fd < 0) return;
    char *line = entry_line(entry);
    char *whole = xasprintf("%s\n", line);
    if (write(fd, whole, strlen(whole)) < 0) { /* a lost entry is not worth a message */
    }
    free(whole);
    free(line);
    close(fd);
}
