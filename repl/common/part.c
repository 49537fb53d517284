/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/part.h"
#include "common/text.h"

enum { ID_DIGITS = 8 };
static const char mark[] = ".part";

/* -- Folders ---------------------------------------------------------------------------------- */

/* The folder of a path; NULL without memory. */
static char *folder_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? text_copyn(path, (size_t)(slash - path) + (slash == path)) : text_copy(".");
}

/* A rename is durable only once its folder is on the disk. */
static void sync_folder_of(const char *path)
{
    char *folder = folder_of(path);
    int fd = folder ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    free(folder);
    if (fd < 0) return;
    (void)fsync(fd);
    close(fd);
}

/* -- Making one ------------------------------------------------------------------------------- */

static bool lock(int fd)
{
    int rc;
    do rc = flock(fd, LOCK_EX);
    while (rc && errno == EINTR);
    return !rc;
}

/* Another program tidying up may remove the file before it is locked; then it is created again. */
static bool open_named(struct part *p, unsigned mode)
{
    enum { MOST_TRIES = 1000 };
    p->named = true;
    for (int tries = 0; tries < MOST_TRIES; tries++) {
        struct stat st;
        p->fd = open(p->name, O_RDWR | O_APPEND | O_CREAT | O_EXCL | O_CLOEXEC, mode);
        if (p->fd < 0) return false;
        p->locked = lock(p->fd);
        if (!p->locked || fstat(p->fd, &st) || st.st_nlink > 0) return true;
        close(p->fd);
        p->fd = -1;
    }
    return false;
}

bool part_open(struct part *p, const char *path, unsigned mode)
{
    uint32_t id = 0;
    *p = (struct part){.fd = -1};
    (void)!getrandom(&id, sizeof id, 0);
    p->name = text_format("%s%s%0*x", path, mark, (int)ID_DIGITS, (unsigned)id);
    char *folder = folder_of(path);
    errno = ENOMEM;
    if (p->name && folder) p->fd = open(folder, O_RDWR | O_APPEND | O_TMPFILE | O_CLOEXEC, mode);
    bool memory = p->name && folder;
    free(folder);
    if (!memory) return false;
    if (p->fd < 0) return open_named(p, mode);
    p->locked = lock(p->fd);
    return true;
}

static bool give_name(struct part *p)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/self/fd/%d", p->fd);
    p->named = !linkat(AT_FDCWD, path, AT_FDCWD, p->name, AT_SYMLINK_FOLLOW);
    return p->named;
}

bool part_move(struct part *p, const char *path)
{
    if (fsync(p->fd) || (!p->named && !give_name(p)) || rename(p->name, path)) return false;
    p->named = false;
    sync_folder_of(path);
    return true;
}

void part_close(struct part *p)
{
    if (p->named && p->fd >= 0) unlink(p->name);
    if (p->fd >= 0) close(p->fd);
    free(p->name);
    *p = (struct part){.fd = -1};
}

/* -- Tidying up ------------------------------------------------------------------------------- */

bool part_is_name(const char *name)
{
    size_t n = strlen(name), end = sizeof mark - 1 + ID_DIGITS;
    return n > end && !strncmp(name + n - end, mark, sizeof mark - 1) &&
           strspn(name + n - ID_DIGITS, "0123456789abcdef") == ID_DIGITS;
}

bool file_is_left(int folder, const char *name, bool remove)
{
    struct stat st;
    int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) return false;
    bool left = !fstat(fd, &st) && S_ISREG(st.st_mode) && !flock(fd, LOCK_SH | LOCK_NB);
    if (left && remove) unlinkat(folder, name, 0);
    close(fd);
    return left;
}

/* Tidies up parts of one file, or with NULL of all. */
static void tidy(const char *folder, const char *name)
{
    DIR *dir = opendir(folder);
    size_t n = name ? strlen(name) : 0;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        if (!part_is_name(e->d_name)) continue;
        size_t of = strlen(e->d_name) - (sizeof mark - 1) - ID_DIGITS;
        if (!name || (of == n && !memcmp(e->d_name, name, n)))
            file_is_left(dirfd(dir), e->d_name, true);
    }
    if (dir) closedir(dir);
}

void parts_tidy_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    char *folder = folder_of(path);
    if (folder) tidy(folder, slash ? slash + 1 : path);
    free(folder);
}

void parts_tidy_in(const char *folder) { tidy(folder, NULL); }
