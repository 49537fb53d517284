/* SPDX-License-Identifier: MIT
 * The safetensors container: maps and validates all tensors of a model folder (one file, or index
 * and shards), and writes files for tools. */
#ifndef WEIGHTS_SAFETENSORS_H
#define WEIGHTS_SAFETENSORS_H

#include <stddef.h>
#include <stdint.h>

#include "base/err.h"

/* Every type a file may hold; the model's own tensors must be one of the first three. */
enum dtype {
    DTYPE_F32,
    DTYPE_BF16,
    DTYPE_F16,
    DTYPE_F64,
    DTYPE_I64,
    DTYPE_I32,
    DTYPE_I16,
    DTYPE_I8,
    DTYPE_U64,
    DTYPE_U32,
    DTYPE_U16,
    DTYPE_U8,
    DTYPE_BOOL,
    DTYPE_F8_E4M3,
    DTYPE_F8_E5M2
};
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

/* Opens one file. It refuses a header that is cut, is not JSON, or has duplicate names or names
 * with control characters; unknown types; shapes that do not match data_offsets; data that overlaps
 * or lies outside the file. Gaps between tensors and bytes after the last one are allowed. Errors:
 * IO, MODEL (says which file, which tensor and why), MEMORY. */
int weights_open_file(const char *path, struct weights **ret_weights, struct phi3v_error *err);
/* Opens model.safetensors, or model.safetensors.index.json and its shards. In addition every tensor
 * of the index must be in the shard it names, and no tensor in two shards. Names that training
 * programs have wrapped (weights/tensor_names.h), or that all begin with the same prefix, become
 * those of the release. If neither file exists, the error says what else the folder holds. */
int weights_open_dir(const char *dir, struct weights **ret_weights, struct phi3v_error *err);
/* Says that the tensors' data will be read soon: calls file_map_want if all fits in
 * `free_bytes`. */
void weights_want(const struct weights *w, size_t free_bytes);
/* Error MODEL when one of the files was cut or changed since it was mapped. */
int weights_check(const struct weights *w, struct phi3v_error *err);
/* The file whose map contains an address, or NULL; async-signal-safe. */
const char *weights_file_at(const struct weights *w, const void *address);
void weights_close(struct weights *w);
size_t weights_count(const struct weights *w);
const struct tensor *weights_at(const struct weights *w, size_t i);           /* name order */
const struct tensor *weights_find(const struct weights *w, const char *name); /* or NULL */
size_t weights_bytes(const struct weights *w);                                /* of all tensors */
/* A text of the metadata block of the first file that has one, or NULL. */
const char *weights_metadata(const struct weights *w, const char *key);

/* "3072x8192" into out; returns out. */
const char *shape_text(const int64_t *shape, int n_dims, char *out, size_t cap);

/* The data area begins at a multiple of 64 bytes. Writes tensors (in the given order; name, dtype,
 * shape, data and n_bytes are used) through a temporary file and rename. metadata: NULL-terminated
 * list of key, value, key, value … or NULL. Errors: ARGUMENT (n_bytes does not match the shape),
 * IO, MEMORY. */
int safetensors_write(const char *path, const struct tensor *tensors, size_t n,
                      const char *const *metadata, struct phi3v_error *err);

#endif
