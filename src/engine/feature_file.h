/* SPDX-License-Identifier: MIT
 * A picture's features as bytes that outlive the process. Their key covers everything that decides
 * them, and they are checked before they are used again. The caller stores the bytes. */
#ifndef ENGINE_FEATURE_FILE_H
#define ENGINE_FEATURE_FILE_H

#include "base/stop.h"
#include "engine/model.h"

/* A digest of the tower's and projector's weights in memory, of the kernels that multiply them, of
 * num_crops and of the picture. stop may be NULL. Errors: UNSUPPORTED (the features lie on a
 * device), IO, CANCELLED. */
int feature_file_key(struct phi3v_model *m, const struct slot *slot, struct stop *stop,
                     char ret_hex[65], struct phi3v_error *err);
/* The cached features as bytes (mem_free); NULL and 0 when the cache has none. */
int feature_file_write(struct phi3v_model *m, const struct slot *slot, void **ret_bytes,
                       size_t *ret_n, struct phi3v_error *err);
/* Puts features from such bytes into the cache. Errors: ARGUMENT (they belong to another picture,
 * model or processor), IO (damaged), MEMORY, and those of feature_file_key. */
int feature_file_read(struct phi3v_model *m, const struct slot *slot, const void *bytes, size_t n,
                      struct phi3v_error *err);

#endif
