/* SPDX-License-Identifier: MIT
 * How keys and values lie in a KV block: f32 [n_layers][2][n_kv_heads][KV_BLOCK][head_dim], keys
 * before values. */
#ifndef MODEL_KV_H
#define MODEL_KV_H

#include "kernels.h"
#include "weights/config.h"

/* Floats between two heads of a layer. */
static inline int64_t kv_head_step(const struct config *c)
{
    return (int64_t)KV_BLOCK * c->head_dim;
}
/* Where the keys (values = 0) or values (1) of a layer begin. */
static inline int64_t kv_offset(const struct config *c, int layer, int values)
{
    return ((int64_t)layer * 2 + values) * c->n_kv_heads * kv_head_step(c);
}
static inline int64_t kv_block_floats(const struct config *c)
{
    return kv_offset(c, c->n_layers, 0);
}
/* Blocks that hold n positions. */
static inline int64_t kv_blocks_for(int64_t n) { return (n + KV_BLOCK - 1) / KV_BLOCK; }

#endif
