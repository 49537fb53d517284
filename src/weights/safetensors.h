/* SPDX-License-Identifier: MIT
 * The safetensors container: all tensors of a model folder (one file or index + shards) mapped
 * read-only and validated, and a writer for tools. */
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

/* One file. Refused: a header that is cut, not JSON, names a tensor twice or with control
 * characters; types that are not known; shapes that do not match data_offsets; data outside the
 * file or overlapping. Gaps between tensors and bytes behind the last one are allowed. Errors: IO,
 * MODEL (which file, which tensor, why), MEMORY. */
int weights_open_file(const char *path, struct weights **ret_weights, struct phi3v_error *err);
/* model.safetensors, or model.safetensors.index.json and its shards. Besides: every tensor of the
 * index must lie in the shard it names, and no tensor in two shards. Names that training programs
 * wrapped (weights/tensor_names.h), or that all begin with the same prefix, become those of the release.
 * Where neither file is there, the error says what else the folder holds. */
int weights_open_dir(const char *dir, struct weights **ret_weights, struct phi3v_error *err);
/* The tensors' data will be read from now on: file_map_want for files that fit in `free_bytes`. */
void weights_want(const struct weights *w, size_t free_bytes);
/* Error MODEL when one of the files was cut or changed since it was mapped. */
int weights_check(const struct weights *w, struct phi3v_error *err);
/* The file in whose map an address lies, or NULL; async-signal-safe. */
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
