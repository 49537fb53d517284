/* SPDX-License-Identifier: MIT
 * The safetensors container: all tensors of a model folder (one file or index + shards) mapped read-only and
 * validated, and a writer for tools. */
#ifndef WEIGHTS_SAFETENSORS_H
#define WEIGHTS_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

enum dtype { DTYPE_F32, DTYPE_BF16, DTYPE_F16 };
enum { TENSOR_MAX_DIMS = 8 };

struct tensor {
    const char *name;
    const char *file; // name of the shard, for messages
    enum dtype dtype;
    int n_dims;
    int64_t shape[TENSOR_MAX_DIMS];
    const void *data; // row-major, in the map; may be unaligned
    size_t n_bytes;
};

struct weights; /* owns the maps; tensors are borrowed until weights_close */

size_t dtype_bytes(enum dtype dtype);
const char *dtype_name(enum dtype dtype);

/* One file. Errors: IO, MODEL (which file, which tensor, why). */
int weights_open_file(const char *path, struct weights **ret_weights, struct phi3v_error *err);
/* model.safetensors, or model.safetensors.index.json and its shards. */
int weights_open_dir(const char *dir, struct weights **ret_weights, struct phi3v_error *err);
void weights_close(struct weights *w);
size_t weights_count(const struct weights *w);
const struct tensor *weights_at(const struct weights *w, size_t i); /* name order */
const struct tensor *weights_find(const struct weights *w, const char *name); /* or NULL */
size_t weights_bytes(const struct weights *w);

/* Writes tensors (in the given order) through a temporary file and rename. metadata: NULL-terminated list of
 * key, value, key, value … or NULL. */
int safetensors_write(const char *path, const struct tensor *tensors, size_t n,
                      const char *const *metadata, struct phi3v_error *err);

#endif
