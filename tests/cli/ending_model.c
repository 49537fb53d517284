/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include <jansson.h>

#include "ending_model.h"
#include "golden.h"

static char *read_all(const char *path, size_t *ret_n)
{
    FILE *f = fopen(path, "rb");
    struct stat st;
    char *bytes = NULL;
    if (f && !fstat(fileno(f), &st)) {
        bytes = malloc((size_t)st.st_size + 1);
        if (bytes && fread(bytes, 1, (size_t)st.st_size, f) != (size_t)st.st_size) {
            free(bytes);
            bytes = NULL;
        }
        *ret_n = (size_t)st.st_size;
    }
    if (f) fclose(f);
    return bytes;
}

/* In a safetensors file that has the output layer. */
static bool exchange_rows(char *file, size_t n, int32_t a, int32_t b)
{
    uint64_t n_head;
    json_int_t begin, end, n_rows;
    if (n < 8) return false;
    memcpy(&n_head, file, 8);
    json_t *head = n_head <= n - 8 ? json_loadb(file + 8, n_head, 0, NULL) : NULL;
    json_t *layer = json_object_get(head, "lm_head.weight");
    bool found = layer && !json_unpack(layer, "{s:[I,I],s:[I]}", "data_offsets", &begin, &end,
                                       "shape", &n_rows);
    json_decref(head);
    if (!found) return false;
    size_t row = (size_t)((end - begin) / n_rows);
    char *weights = file + 8 + n_head + begin;
    char *x = weights + row * (size_t)a, *y = weights + row * (size_t)b;
    for (size_t i = 0; i < row; i++) {
        char keep = x[i];
        x[i] = y[i];
        y[i] = keep;
    }
    return true;
}

static bool copy_file(const char *from, const char *to, const char *name, int32_t a, int32_t b,
                      bool *ret_exchanged)
{
    char *source = NULL, *target = NULL, *bytes = NULL;
    size_t n = 0, k = strlen(name);
    bool ok =
        asprintf(&source, "%s/%s", from, name) >= 0 && asprintf(&target, "%s/%s", to, name) >= 0;
    if (ok) bytes = read_all(source, &n);
    if (bytes && k > 12 && !strcmp(name + k - 12, ".safetensors"))
        *ret_exchanged |= exchange_rows(bytes, n, a, b);
    FILE *f = bytes ? fopen(target, "wb") : NULL;
    ok = f && fwrite(bytes, 1, n, f) == n;
    if (f && fclose(f)) ok = false;
    free(bytes);
    free(source);
    free(target);
    return ok;
}

int ending_model(const char *from, const char *to, int32_t a, int32_t b)
{
    struct dirent **list;
    int n = scandir(from, &list, NULL, alphasort);
    bool ok = n > 0 && !mkdir(to, 0700), exchanged = false;
    for (int i = 0; i < n; i++) {
        if (list[i]->d_name[0] != '.')
            ok = ok && copy_file(from, to, list[i]->d_name, a, b, &exchanged);
        free(list[i]);
    }
    if (n >= 0) free(list);
    if (!ok || !exchanged) tap_note("no copy of %s with rows %d and %d exchanged", from, a, b);
    return ok && exchanged ? 0 : -1;
}
