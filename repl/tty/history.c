/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"
#include "tty/history.h"
#include "common/json.h"

enum { MAX_FILE_BYTES = 64 << 20 };

char *history_path(void)
{
    char *dir = xdg_dir("XDG_STATE_HOME", ".local/state");
    char *path = dir ? xasprintf("%s/history", dir) : NULL;
    free(dir);
    return path;
}

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

/* Shortens a file that has grown long; another program's lock makes this one wait its turn. */
static void cut_back(const char *path, const struct strings *list)
{
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0 || flock(fd, LOCK_EX)) {
        if (fd >= 0) close(fd);
        return;
    }
    struct text all = {0};
    for (size_t i = 0; i < list->n; i++) {
        char *line = entry_line(list->v[i]);
        text_addf(&all, "%s\n", line);
        free(line);
    }
    /* In place: others hold the same file open and append to it. */
    if (!ftruncate(fd, 0) && pwrite(fd, all.s, all.n, 0) < 0) (void)ftruncate(fd, 0);
    text_free(&all);
    close(fd);
}

void history_read(const char *path, struct strings *ret)
{
    char *bytes;
    size_t n;
    *ret = (struct strings){0};
    if (!path || load_file(path, MAX_FILE_BYTES, &bytes, &n, NULL)) return;
    for (const char *p = bytes; *p;) {
        size_t k = strcspn(p, "\n");
        add_line(ret, p, k);
        p += k + (p[k] == '\n');
    }
    free(bytes);
    bool long_file = ret->n > 2 * HISTORY_MAX;
    keep_last(ret, HISTORY_MAX);
    if (long_file) cut_back(path, ret);
}

void history_append(const char *path, const char *entry)
{
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0600) : -1;
    if (fd < 0) return;
    char *line = entry_line(entry);
    char *whole = xasprintf("%s\n", line);
    if (!flock(fd, LOCK_EX) &&
        write(fd, whole, strlen(whole)) < 0) { /* history is not worth a word */
    }
    free(whole);
    free(line);
    close(fd);
}
