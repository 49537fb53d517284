/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/files.h"
#include "common/part.h"

/* -- Reading ---------------------------------------------------------------------------------- */

static int read_stream(FILE *f, const char *path, size_t max_bytes, struct text *out,
                       struct phi3v_error *err)
{
    char part[65536];
    size_t n;
    while ((n = fread(part, 1, sizeof part, f)) > 0) {
        if (out->n + n > max_bytes)
            return refuse(err, PHI3V_E_IO, "%s is larger than %zu MiB", path, max_bytes >> 20);
        text_addn(out, part, n);
        if (out->failed) return memory_error(err);
    }
    if (ferror(f)) return refuse(err, PHI3V_E_IO, "cannot read %s: %s", path, strerror(errno));
    return 0;
}

int load_file(const char *path, size_t max_bytes, char **ret_bytes, size_t *ret_n,
              struct phi3v_error *err)
{
    bool is_stdin = !strcmp(path, "-");
    const char *name = is_stdin ? "standard input" : path;
    FILE *f = is_stdin ? stdin : fopen(path, "rbe");
    if (!f) return refuse(err, PHI3V_E_IO, "cannot open %s: %s", path, strerror(errno));
    struct text out = {0};
    int rc = read_stream(f, name, max_bytes, &out, err);
    if (!is_stdin) fclose(f);
    size_t n = out.n;
    char *bytes = rc ? NULL : text_take(&out);
    if (!rc && !bytes) rc = memory_error(err);
    text_free(&out);
    if (rc) return rc;
    *ret_n = n;
    *ret_bytes = bytes;
    return 0;
}

/* -- Writing ---------------------------------------------------------------------------------- */

bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, bytes, n);
        if (k < 0 && errno == EINTR) continue;
        if (k <= 0) return false;
        bytes += k;
        n -= (size_t)k;
    }
    return true;
}

/* Writes the bytes into a new file beside `target` and moves it there; returns 0 or errno. */
static int replace_file(const char *target, const char *bytes, size_t n, unsigned mode,
                        const struct stat *old)
{
    struct part p;
    bool ok = part_open(&p, target, mode) && (!old || !fchmod(p.fd, old->st_mode & 07777)) &&
              write_all(p.fd, bytes, n) && part_move(&p, target);
    int why = ok ? 0 : errno;
    part_close(&p);
    if (ok) parts_tidy_of(target);
    return why;
}

/* The target of a symbolic link that does not exist yet; NULL: path is no such link, or there is no
 * memory. */
static char *end_of_link(const char *path)
{
    char to[PATH_MAX];
    ssize_t n = readlink(path, to, sizeof to);
    if (n <= 0 || n == sizeof to) return NULL;
    const char *slash = *to == '/' ? NULL : strrchr(path, '/');
    return text_format("%.*s%.*s", slash ? (int)(slash - path + 1) : 0, path, (int)n, to);
}

/* The file to write: every link in the name is followed. NULL without memory. */
static char *target_of(const char *path, bool exists)
{
    enum { MOST_LINKS = 40 };
    char *real = exists ? realpath(path, NULL) : NULL, *next;
    if (real) return real;
    char *at = text_copy(path);
    for (int k = 0; at && k < MOST_LINKS && (next = end_of_link(at)); k++) {
        free(at);
        at = next;
    }
    return at;
}

int store_file(const char *path, const char *bytes, size_t n, unsigned mode,
               struct phi3v_error *err)
{
    struct stat old;
    bool exists = !stat(path, &old);
    if (!exists && errno == ELOOP)
        return refuse(err, PHI3V_E_IO, "cannot write %s: %s", path, strerror(errno));
    if (exists && !S_ISREG(old.st_mode))
        return refuse(err, PHI3V_E_IO, "%s is not a plain file", path);
    char *target = target_of(path, exists);
    int why = target ? replace_file(target, bytes, n, mode, exists ? &old : NULL) : ENOMEM;
    free(target);
    if (why == ENOMEM) return memory_error(err);
    return why ? refuse(err, PHI3V_E_IO, "cannot write %s: %s", path, strerror(why)) : 0;
}

/* -- Marks ------------------------------------------------------------------------------------ */

struct file_mark file_mark(const char *path)
{
    struct stat st;
    if (stat(path, &st)) return (struct file_mark){0};
    return (struct file_mark){.there = true,
                              .size = st.st_size,
                              .seconds = st.st_mtim.tv_sec,
                              .nanoseconds = st.st_mtim.tv_nsec,
                              .device = st.st_dev,
                              .inode = st.st_ino};
}

bool file_mark_same(const struct file_mark *a, const struct file_mark *b)
{
    return a->there == b->there && a->size == b->size && a->seconds == b->seconds &&
           a->nanoseconds == b->nanoseconds && a->device == b->device && a->inode == b->inode;
}

/* -- Paths ------------------------------------------------------------------------------------ */

static int make_dirs(char *path)
{
    for (char *p = path + 1; *p; p++) {
        if (*p != '/') continue;
        *p = 0;
        int rc = mkdir(path, 0700);
        *p = '/';
        if (rc && errno != EEXIST) return -1;
    }
    return mkdir(path, 0700) && errno != EEXIST ? -1 : 0;
}

char *xdg_dir(const char *variable, const char *fallback)
{
    const char *base = getenv(variable), *home = getenv("HOME");
    char *path = NULL;
    if (base && *base == '/')
        path = text_format("%s/phiscope", base);
    else if (home && *home == '/')
        path = text_format("%s/%s/phiscope", home, fallback);
    if (path && make_dirs(path)) {
        free(path);
        path = NULL;
    }
    return path;
}

char *expand_home(const char *path)
{
    const char *home = getenv("HOME");
    bool here = path[0] == '~' && (path[1] == '/' || !path[1]);
    return here && home ? text_format("%s%s", home, path + 1) : text_copy(path);
}

bool is_plain_file(const char *path)
{
    struct stat st;
    char *full = expand_home(path);
    bool there = full && !stat(full, &st) && S_ISREG(st.st_mode);
    free(full);
    return there;
}

bool has_ending(const char *path, const char *ending)
{
    size_t n = strlen(path), k = strlen(ending);
    return n > k && !strcasecmp(path + n - k, ending);
}
