/* SPDX-License-Identifier: MIT
 * How keys and values lie in a KV block: [n_layers][n_kv_heads], each a head's packed keys and then
 * its packed values (kernels.h). */
#ifndef MODEL_KV_H
#define MODEL_KV_H

#include "kernels.h"
#include "weights/config.h"

/* Bytes between two heads of a layer. */
static inline size_t kv_head_step(const struct config *c, enum kv_type type)
{
    return 2 * kv_packed_bytes(type, c->head_dim);
}
/* Where a layer begins. */
static inline size_t kv_layer_offset(const struct config *c, enum kv_type type, int layer)
{
    return (size_t)layer * (size_t)c->n_kv_heads * kv_head_step(c, type);
}
static inline size_t kv_block_bytes(const struct config *c, enum kv_type type)
{
    return kv_layer_offset(c, type, c->n_layers);
}
/* Blocks that hold n positions. */
static inline int64_t kv_blocks_for(int64_t n) { return (n + KV_BLOCK - 1) / KV_BLOCK; }

#endif
