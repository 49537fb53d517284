/* SPDX-License-Identifier: MIT
 * A picture's features as bytes that outlive the process: told apart by everything that decides
 * them, checked before they are used again. Where the bytes are kept is the caller's business. */
#ifndef ENGINE_FEATURE_FILE_H
#define ENGINE_FEATURE_FILE_H

#include "base/stop.h"
#include "engine/model.h"

/* A digest of the weights of tower and projector as they are held, of how they are multiplied here,
 * of num_crops and of the picture. stop: may be NULL. Errors: UNSUPPORTED (the device keeps features
 * to itself), IO, CANCELLED. */
int feature_file_key(struct phi3v_model *m, const struct slot *slot, struct stop *stop,
                     char ret_hex[65], struct phi3v_error *err);
/* Bytes for the features in the cache (mem_free); NULL and 0 where there are none. */
int feature_file_write(struct phi3v_model *m, const struct slot *slot, void **ret_bytes,
                       size_t *ret_n, struct phi3v_error *err);
/* Features from such bytes into the cache. Errors: ARGUMENT (of another picture, model or
 * processor), IO (damaged), MEMORY, and those of feature_file_key. */
int feature_file_read(struct phi3v_model *m, const struct slot *slot, const void *bytes, size_t n,
                      struct phi3v_error *err);

#endif
