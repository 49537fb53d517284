/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "base/file.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/mem.h"
#include "base/numa.h"

static int cannot(struct phi3v_error *err, const char *verb, const char *path, int errnum)
{
    char text[128];
    return err_set(err, PHI3V_E_IO, "cannot %s %s: %s", verb, path,
                   strerror_r(errnum, text, sizeof text));
}

/* Opens a regular file for reading; returns the descriptor or a negative code. */
static int open_regular(const char *path, struct stat *st, struct phi3v_error *err)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK); // a FIFO must not hang us
    if (fd < 0) return cannot(err, "open", path, errno);
    if (fstat(fd, st) != 0) {
        int code = cannot(err, "stat", path, errno);
        close(fd);
        return code;
    }
    if (S_ISREG(st->st_mode)) return fd;
    close(fd);
    return err_set(err, PHI3V_E_IO, "cannot read %s: it is %s, not a file", path,
                   S_ISDIR(st->st_mode) ? "a folder" : "a device or pipe");
}

static int64_t changed_ns(const struct stat *st)
{
    return (int64_t)st->st_mtim.tv_sec * 1000000000 + st->st_mtim.tv_nsec;
}

int file_map_open(const char *path, struct file_map *ret_map, struct phi3v_error *err)
{
    struct stat st;
    int fd = open_regular(path, &st, err);
    if (fd < 0) return fd;
    struct file_map map = {.n_bytes = (size_t)st.st_size, .fd = fd, .changed_ns = changed_ns(&st)};
    if (map.n_bytes > 0) {
        void *p = mmap(NULL, map.n_bytes, PROT_READ, MAP_PRIVATE, fd, 0);
        if (p == MAP_FAILED) {
            int code = cannot(err, "map", path, errno);
            close(fd);
            return code;
        }
        map.data = p;
    }
    *ret_map = map;
    return 0;
}

enum file_map_state file_map_state(const struct file_map *map)
{
    struct stat st;
    if (fstat(map->fd, &st) != 0 || (size_t)st.st_size < map->n_bytes) return FILE_MAP_CUT;
    return changed_ns(&st) == map->changed_ns ? FILE_MAP_AS_IT_WAS : FILE_MAP_CHANGED;
}

void file_map_want(const struct file_map *map)
{
    if (map->n_bytes == 0) return;
    madvise((void *)map->data, map->n_bytes, MADV_HUGEPAGE);
    bool spread = numa_spread_begin();
    madvise((void *)map->data, map->n_bytes, MADV_WILLNEED);
    if (spread) numa_spread_end();
}

void file_map_close(struct file_map *map)
{
    if (map->data) munmap((void *)map->data, map->n_bytes);
    if (map->fd >= 0) close(map->fd);
    *map = (struct file_map){.fd = -1};
}

int file_read(const char *path, size_t limit_bytes, char **ret_data, size_t *ret_n,
              struct phi3v_error *err)
{
    struct stat st;
    int fd = open_regular(path, &st, err);
    if (fd < 0) return fd;
    size_t size = (size_t)st.st_size, n = 0;
    int code = 0;
    char *data = NULL;
    if (size > limit_bytes) {
        code = err_set(err, PHI3V_E_IO, "cannot read %s: %zu bytes, more than the %zu allowed",
                       path, size, limit_bytes);
        goto out;
    }
    data = mem_alloc(size + 1);
    if (!data) {
        code = err_memory(err, path, size + 1);
        goto out;
    }
    while (n < size) {
        ssize_t got = read(fd, data + n, size - n);
        if (got < 0 && errno == EINTR) continue;
        if (got < 0) {
            code = cannot(err, "read", path, errno);
            goto out;
        }
        if (got == 0) break; // the file has become shorter
        n += (size_t)got;
    }
    data[n] = 0;
    *ret_data = data;
    *ret_n = n;
    data = NULL;
out:
    mem_free(data);
    close(fd);
    return code;
}

int file_exists(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0;
}

int file_is_dir(const char *path)
{
    struct stat st;
    return stat(path, &st) == 0 && S_ISDIR(st.st_mode);
}

char *path_join(const char *dir, const char *name)
{
    struct buf b = {0};
    size_t n = strlen(dir);
    buf_puts(&b, dir);
    if (n && dir[n - 1] != '/') buf_putc(&b, '/');
    buf_puts(&b, name);
    return buf_take(&b);
}
