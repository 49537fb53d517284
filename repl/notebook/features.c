/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/part.h"
#include "notebook/features.h"

enum { MAX_FILE_BYTES = 512 << 20 };
static const char ending[] = ".features";

static bool is_on(const struct notebook *nb)
{
    return nb->cache_dir && nb->now.cache_mib > 0 && nb->engine.model;
}

/* The file for a picture; NULL: there can be none. */
static char *path_of(struct notebook *nb, const phi3v_image *image, int num_crops)
{
    char name[65];
    if (phi3v_features_name(nb->engine.model, image, num_crops, engine_is_stopped, &nb->engine,
                            name, NULL))
        return NULL;
    return text_format("%s/%s%s", nb->cache_dir, name, ending);
}

/* -- One picture ------------------------------------------------------------------------------ */

static bool is_settled(const struct notebook *nb, const char *path)
{
    for (size_t k = 0; k < nb->features.n; k++)
        if (!strcmp(nb->features.v[k], path)) return true;
    return false;
}

void features_recall(struct notebook *nb, const phi3v_image *image, int num_crops)
{
    char *bytes, *path = is_on(nb) ? path_of(nb, image, num_crops) : NULL;
    size_t n;
    if (path && !is_settled(nb, path) && !access(path, R_OK) &&
        !load_file(path, MAX_FILE_BYTES, &bytes, &n, NULL)) {
        int rc = phi3v_features_restore(nb->engine.model, image, num_crops, bytes, n, NULL);
        if (rc == PHI3V_E_IO || rc == PHI3V_E_ARGUMENT)
            unlink(path); /* damaged, or under a wrong name */
        else if (!rc)
            utimensat(AT_FDCWD, path, NULL, 0); /* the most recently used file is removed last */
        strings_add(&nb->features, path);
        free(bytes);
    }
    free(path);
}

bool features_are_kept(struct notebook *nb, const phi3v_image *image, int num_crops)
{
    char *path = is_on(nb) ? path_of(nb, image, num_crops) : NULL;
    bool kept = path && !access(path, R_OK);
    free(path);
    return kept;
}

static void keep(struct notebook *nb, const phi3v_image *image, int num_crops)
{
    void *bytes = NULL;
    size_t n = 0;
    char *path = path_of(nb, image, num_crops);
    if (path && access(path, F_OK) &&
        !phi3v_features_store(nb->engine.model, image, num_crops, &bytes, &n, NULL) && bytes) {
        store_file(path, bytes, n, 0600, NULL);
        phi3v_bytes_free(bytes);
    }
    if (path && !is_settled(nb, path)) strings_add(&nb->features, path);
    free(path);
}

/* -- All of them ------------------------------------------------------------------------------ */

struct kept {
    char *path;
    struct timespec used;
    double bytes;
};

static int oldest_first(const void *x, const void *y)
{
    const struct kept *a = x, *b = y;
    if (a->used.tv_sec != b->used.tv_sec) return a->used.tv_sec < b->used.tv_sec ? -1 : 1;
    return a->used.tv_nsec < b->used.tv_nsec ? -1 : a->used.tv_nsec > b->used.tv_nsec;
}

static int list_kept(const struct notebook *nb, struct kept **ret)
{
    DIR *dir = nb->cache_dir ? opendir(nb->cache_dir) : NULL;
    int n = 0;
    *ret = NULL;
    for (struct dirent *e; dir && (e = readdir(dir));) {
        struct stat st;
        char *path =
            has_ending(e->d_name, ending) ? text_format("%s/%s", nb->cache_dir, e->d_name) : NULL;
        struct kept *v = path && !stat(path, &st) && S_ISREG(st.st_mode)
                             ? memory_room(*ret, (size_t)n, sizeof *v)
                             : NULL;
        if (!v) {
            free(path);
            continue;
        }
        *ret = v;
        v[n++] = (struct kept){path, st.st_mtim, (double)st.st_size};
    }
    if (dir) closedir(dir);
    return n;
}

static void kept_free(struct kept *list, int n)
{
    for (int k = 0; k < n; k++) free(list[k].path);
    free(list);
}

/* Removes the oldest files until at most `most` bytes are left, and what killed programs left
 * behind. */
static void cut_back(const struct notebook *nb, double most)
{
    struct kept *list;
    if (nb->cache_dir) parts_tidy_in(nb->cache_dir);
    int n = list_kept(nb, &list);
    double bytes = 0;
    for (int k = 0; k < n; k++) bytes += list[k].bytes;
    if (bytes > most) qsort(list, (size_t)n, sizeof *list, oldest_first);
    for (int k = 0; k < n && bytes > most; k++)
        if (!unlink(list[k].path)) bytes -= list[k].bytes;
    kept_free(list, n);
}

void features_count(const struct notebook *nb, int *ret_files, double *ret_bytes)
{
    struct kept *list;
    *ret_files = list_kept(nb, &list);
    *ret_bytes = 0;
    for (int k = 0; k < *ret_files; k++) *ret_bytes += list[k].bytes;
    kept_free(list, *ret_files);
}

void features_clear(const struct notebook *nb) { cut_back(nb, 0); }

/* -- Of cells --------------------------------------------------------------------------------- */

/* Does something with each picture of the cell that could be loaded. */
static void each_picture(struct notebook *nb, const struct cell *c,
                         void (*act)(struct notebook *, const phi3v_image *, int num_crops))
{
    for (int k = 0; k < c->images.n; k++) {
        const phi3v_image *image = nb->book.images.v[c->images.v[k]].loaded.image;
        if (image) act(nb, image, c->num_crops);
    }
}

void features_recall_for(struct notebook *nb, int i)
{
    for (int k = 0; k <= i && is_on(nb); k++)
        if (k == i || nb->book.v[k].answer) each_picture(nb, &nb->book.v[k], features_recall);
}

void features_keep(struct notebook *nb, int i)
{
    const struct cell *c = &nb->book.v[i];
    if (!is_on(nb) || !c->images.n) return;
    each_picture(nb, c, keep);
    cut_back(nb, (double)nb->now.cache_mib * (1 << 20));
}
