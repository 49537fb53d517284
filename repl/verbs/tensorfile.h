/* SPDX-License-Identifier: GPL-3.0-or-later
 * Arrays of f32 on disk for other tools: NPY version 1.0 and safetensors. */
#ifndef VERBS_TENSORFILE_H
#define VERBS_TENSORFILE_H

#include "common/must.h"

/* data: [shape[0]] … [shape[n_dims-1]]. Errors: IO, MEMORY. */
int npy_write(const char *path, int n_dims, const int64_t *shape, const float *data,
              struct phi3v_error *err);

/* Collects named arrays (copied), and writes them in the order they were added. Zero-initialise.
 * Errors of writing: IO. */
struct tensor_list {
    struct tensor_item {
        char *name;
        int n_dims;
        int64_t shape[4];
        float *data;
        size_t n_bytes;
    } * v;
    size_t n;
};
void tensor_list_add(struct tensor_list *list, const char *name, int n_dims, const int64_t *shape,
                     const float *data);
void tensor_list_free(struct tensor_list *list);
int tensor_list_write(const char *path, const struct tensor_list *list, struct phi3v_error *err);

#endif
