/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "folder.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

void folder_make(struct folder *f)
{
    const char *root = getenv("TMPDIR");
    if (!root || !*root || strlen(root) > 40) root = "/tmp";
    snprintf(f->path, sizeof f->path, "%s/phi3v-test-XXXXXX", root);
    if (!mkdtemp(f->path)) abort();
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

void folder_remove(struct folder *f) { nftw(f->path, remove_one, 16, FTW_DEPTH | FTW_PHYS); }

const char *folder_file(const struct folder *f, const char *name)
{
    static char paths[4][512];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", f->path, name);
    return path;
}

void folder_write(const struct folder *f, const char *name, const void *bytes, size_t n)
{
    char path[512];
    snprintf(path, sizeof path, "%s", folder_file(f, name));
    for (char *slash = path + strlen(f->path) + 1; (slash = strchr(slash, '/')); *slash++ = '/') {
        *slash = 0;
        mkdir(path, 0700);
    }
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, n, file) != n || fclose(file) != 0) abort();
}

void folder_puts(const struct folder *f, const char *name, const char *text)
{
    folder_write(f, name, text, strlen(text));
}
