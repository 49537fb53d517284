/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE /* flock */
#include "net/hub_cache.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "net/error.h"

static int fail_path(const char *what, const char *path, struct phi3v_error *err)
{
    if (!path) return net_fail_memory(err, "a model");
    return refuse(err, PHI3V_E_IO, "cannot %s %.300s: %s", what, path, strerror(errno));
}

/* Creates a folder and its parents. */
static int make_folders(const char *path, struct phi3v_error *err)
{
    char *copy = path ? strdup(path) : NULL;
    if (!copy) return net_fail_memory(err, "a model");
    int rc = 0;
    for (char *c = copy + 1; rc == 0; c++) {
        if (*c && *c != '/') continue;
        char mark = *c;
        *c = 0;
        if (mkdir(copy, 0777) != 0 && errno != EEXIST) rc = fail_path("make the folder", copy, err);
        *c = mark;
        if (!mark) break;
    }
    free(copy);
    return rc;
}

/* Makes a folder's entries durable. */
static void sync_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) return;
    fsync(fd);
    close(fd);
}

static char *folder_name(const char *root, const char *repo)
{
    const char *slash = strchr(repo, '/');
    return text_format("%s/models--%.*s--%s", root, (int)(slash - repo), repo, slash + 1);
}

int hub_cache_init(struct hub_cache *c, const struct hub_env *env, const struct hub_name *name,
                   struct phi3v_error *err)
{
    *c =
        (struct hub_cache){.root = strdup(env->cache), .repo = folder_name(env->cache, name->repo)};
    char *locks = text_format("%s/.locks", env->cache);
    c->locks = locks ? folder_name(locks, name->repo) : NULL;
    free(locks);
    if (c->root && c->repo && c->locks) return 0;
    hub_cache_fini(c);
    return net_fail_memory(err, "a model");
}

int hub_cache_make(const struct hub_cache *c, struct phi3v_error *err)
{
    static const char *const folders[] = {"blobs", "snapshots", "refs"};
    int rc = 0;
    for (size_t i = 0; rc == 0 && i < sizeof folders / sizeof *folders; i++) {
        char *path = text_format("%s/%s", c->repo, folders[i]);
        rc = make_folders(path, err);
        free(path);
    }
    if (rc == 0) rc = make_folders(c->locks, err);
    return rc;
}

void hub_cache_fini(struct hub_cache *c)
{
    free(c->root);
    free(c->repo);
    free(c->locks);
    *c = (struct hub_cache){0};
}

char *hub_blob_path(const struct hub_cache *c, const char *key, const char *ending)
{
    return text_format("%s/blobs/%s%s", c->repo, key, ending);
}

bool hub_has_blob(const struct hub_cache *c, const struct hub_file *file)
{
    struct stat st;
    char *path = hub_blob_path(c, file->key, "");
    bool there = path && stat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == file->size;
    free(path);
    return there;
}

static int lock(const struct hub_cache *c, const char *key, int how)
{
    char *path = text_format("%s/%s.lock", c->locks, key);
    int fd = path ? open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0664) : -1;
    free(path);
    if (fd >= 0 && flock(fd, how) != 0) {
        int why = errno;
        close(fd);
        errno = why;
        return -1;
    }
    return fd;
}

int hub_try_lock(const struct hub_cache *c, const char *key)
{
    return lock(c, key, LOCK_EX | LOCK_NB);
}

int64_t hub_free_bytes(const char *path)
{
    struct statvfs st;
    if (statvfs(path, &st) != 0) return -1;
    return (int64_t)st.f_bavail * (int64_t)st.f_frsize;
}

/* -- Publishing ------------------------------------------------------------------------------- */

/* Unfinished things lie beside the folders, under the name and the lock of their commit: a folder
 * of links, and with the ending ".ref" a file. */
static const char making[] = ".phiscope-";

static char *making_path(const struct hub_cache *c, const char *commit, const char *ending)
{
    return text_format("%s/%s%s%s", c->repo, making, commit, ending);
}

static bool is_commit(const char *rev)
{
    return strlen(rev) == 40 && strspn(rev, "0123456789abcdef") == 40;
}

/* Removes a file, a link, or a folder of files. */
static void remove_made(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *d = fd < 0 ? NULL : fdopendir(fd);
    for (const struct dirent *e; d && (e = readdir(d));)
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0)
            unlinkat(dirfd(d), e->d_name, 0);
    if (d)
        closedir(d);
    else if (fd >= 0)
        close(fd);
    remove(path);
}

/* Removes what killed programs left while publishing, which nobody has locked. */
static void tidy(const struct hub_cache *c)
{
    DIR *d = opendir(c->repo);
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (strncmp(e->d_name, making, sizeof making - 1) != 0) continue;
        char *commit = strndup(e->d_name + sizeof making - 1, 40);
        char *path = text_format("%s/%s", c->repo, e->d_name);
        int fd = path && commit && is_commit(commit) ? hub_try_lock(c, commit) : -1;
        if (fd >= 0) {
            remove_made(path);
            close(fd);
        }
        free(commit);
        free(path);
    }
    if (d) closedir(d);
}

static int link_file(const char *folder, const struct hub_file *f, struct phi3v_error *err)
{
    char *target = text_format("../../blobs/%s", f->key),
         *path = text_format("%s/%s", folder, f->name);
    int rc = target && path ? 0 : net_fail_memory(err, "a model");
    if (rc == 0 && symlink(target, path) != 0) rc = fail_path("make the link", path, err);
    free(target);
    free(path);
    return rc;
}

/* Replaces whatever has the name, a file or a dead link, in one step. */
static int move_link(const char *from, const char *to, const struct hub_file *f,
                     struct phi3v_error *err)
{
    char *made = text_format("%s/%s", from, f->name), *path = text_format("%s/%s", to, f->name);
    int rc = made && path ? 0 : net_fail_memory(err, "a model");
    if (rc == 0 && rename(made, path) != 0) rc = fail_path("make the link", path, err);
    free(made);
    free(path);
    return rc;
}

/* Moves config.json last, because it makes the folder a model. */
static int move_links(const char *from, const char *to, const struct hub_listing *l,
                      struct phi3v_error *err)
{
    int rc = 0;
    for (int last = 0; last < 2; last++)
        for (size_t i = 0; rc == 0 && i < l->n_files; i++)
            if ((strcmp(l->files[i].name, "config.json") == 0) == (last == 1))
                rc = move_link(from, to, &l->files[i], err);
    if (rc == 0) sync_folder(to);
    return rc;
}

/* Builds the snapshot beside its place and renames it. If it exists already (another program's, or
 * an earlier choice of files), the links are added to it. */
static int make_snapshot(const struct hub_cache *c, const struct hub_listing *l, const char *path,
                         struct phi3v_error *err)
{
    char *made = making_path(c, l->commit, "");
    if (!made) return net_fail_memory(err, "a model");
    remove_made(made);
    int rc = mkdir(made, 0777) == 0 ? 0 : fail_path("make the folder", made, err);
    for (size_t i = 0; rc == 0 && i < l->n_files; i++) rc = link_file(made, &l->files[i], err);
    if (rc == 0) sync_folder(made);
    if (rc == 0 && rename(made, path) != 0)
        rc = errno == EEXIST || errno == ENOTEMPTY ? move_links(made, path, l, err)
                                                   : fail_path("make the folder", path, err);
    remove_made(made);
    free(made);
    return rc;
}

/* Writes a small file that appears at once, complete. */
static int write_small(const char *path, const char *made, const char *text,
                       struct phi3v_error *err)
{
    int fd = open(made, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    size_t n = strlen(text);
    int rc = 0;
    if (fd < 0 || write(fd, text, n) != (ssize_t)n || fsync(fd) != 0 || rename(made, path) != 0) {
        rc = fail_path("write", path, err);
        unlink(made);
    }
    if (fd >= 0) close(fd);
    return rc;
}

static int write_ref(const struct hub_cache *c, const char *rev, const char *commit,
                     struct phi3v_error *err)
{
    char *path = text_format("%s/refs/%s", c->repo, rev), *folder = path ? strdup(path) : NULL;
    char *made = making_path(c, commit, ".ref");
    int rc = folder && made ? 0 : net_fail_memory(err, "a model");
    if (rc == 0) {
        *strrchr(folder, '/') = 0;
        rc = make_folders(folder, err);
    }
    if (rc == 0) rc = write_small(path, made, commit, err);
    free(folder);
    free(path);
    free(made);
    return rc;
}

int hub_publish(const struct hub_cache *c, const struct hub_name *name, const struct hub_listing *l,
                char **ret_path, struct phi3v_error *err)
{
    char *snapshots = text_format("%s/snapshots", c->repo);
    char *path = snapshots ? text_format("%s/%s", snapshots, l->commit) : NULL;
    tidy(c);
    int fd = lock(c, l->commit, LOCK_EX);
    int rc = path ? make_snapshot(c, l, path, err) : net_fail_memory(err, "a model");
    if (rc == 0) sync_folder(snapshots);
    if (rc == 0 && !is_commit(name->rev)) rc = write_ref(c, name->rev, l->commit, err);
    free(snapshots);
    if (fd >= 0) close(fd);
    if (rc == 0)
        *ret_path = path;
    else
        free(path);
    return rc;
}
