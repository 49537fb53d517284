/* SPDX-License-Identifier: MIT
 * The memory behind KV block ids. A slab is allocated when its first block is needed and freed with
 * its last block, so nothing is reserved for a context that is never reached. The blocks of a slab
 * are interleaved, part by part. Thread-safe. */
#ifndef BACKEND_KV_STORE_H
#define BACKEND_KV_STORE_H

#include <stddef.h>

#include "base/err.h"

struct kv_store;

/* A block consists of n_parts parts of part_bytes, and a slab of slab_blocks blocks, at most 64. */
int kv_store_new(size_t n_parts, size_t part_bytes, int slab_blocks, struct kv_store **ret,
                 struct phi3v_error *err);
/* Frees all slabs, blocks in use included. */
void kv_store_free(struct kv_store *s);
/* Gives n ids, or none (error MEMORY). Their contents are zeros or what an earlier owner left. */
int kv_store_take(struct kv_store *s, int n, int *ret_ids, struct phi3v_error *err);
void kv_store_give(struct kv_store *s, const int *ids, int n);
/* The address of each id's first part; further parts follow at distances of slab_blocks *
 * part_bytes. Valid until the block is given back. */
void kv_store_resolve(struct kv_store *s, const int *ids, int n, char **ret_blocks);
/* Both must be in use. */
void kv_store_copy(struct kv_store *s, int from, int to);
size_t kv_store_block_bytes(const struct kv_store *s);
/* Bytes of all slabs held. */
size_t kv_store_bytes(struct kv_store *s);

#endif
