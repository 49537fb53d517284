/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "notebook/own_files.h"

#include <stdlib.h>
#include <string.h>

static char *real_path(const char *path)
{
    char *real = realpath(path, NULL);
    return real ? real : text_copy(path);
}

static int own_file_index(const struct notebook *nb, const char *path)
{
    char *real = real_path(path);
    int found = -1;
    for (size_t k = 0; real && k < nb->own_files.n; k++)
        if (!strcmp(nb->own_files.v[k], real)) found = (int)k;
    free(real);
    return found;
}

int own_file_check(const struct notebook *nb, const char *path, const char *command,
                   struct phi3v_error *err)
{
    struct file_mark now = file_mark(path);
    int k = own_file_index(nb, path);
    if (!now.there || (k >= 0 && file_mark_same(&now, &nb->own_marks[k]))) return 0;
    const char *why = k < 0 ? "exists already" : "was changed by another program meanwhile";
    if (!command)
        return refuse(err, PHI3V_E_IO, "%.300s %s; give another name, or remove it", path, why);
    return refuse(err, PHI3V_E_IO, "%.200s %s; %s %.200s writes over it", path, why, command, path);
}

void own_file_keep(struct notebook *nb, const char *path)
{
    int k = own_file_index(nb, path);
    if (k < 0) {
        struct file_mark *marks = memory_room(nb->own_marks, nb->own_files.n, sizeof *marks);
        if (marks) nb->own_marks = marks;
        if (!marks || !strings_take(&nb->own_files, real_path(path))) return;
        k = (int)nb->own_files.n - 1;
    }
    nb->own_marks[k] = file_mark(path);
}
