/* SPDX-License-Identifier: MIT
 * How keys and values lie in memory. Blocks come in slabs, [n_layers][n_kv_heads][kv_slab_blocks],
 * each a head's packed keys and then its packed values (kernels.h): consecutive positions of a head
 * are read in one go, from few pages. */
#ifndef MODEL_KV_H
#define MODEL_KV_H

#include "kernels.h"
#include "weights/config.h"

/* Bytes of one head in a block: what a slab keeps side by side for its blocks. */
static inline size_t kv_head_bytes(const struct config *c, enum kv_type type)
{
    return 2 * kv_packed_bytes(type, c->head_dim);
}
static inline size_t kv_block_bytes(const struct config *c, enum kv_type type)
{
    return (size_t)c->n_layers * (size_t)c->n_kv_heads * kv_head_bytes(c, type);
}
/* Blocks of a slab: so many that a head's run is long enough for the memory to keep its pace, and
 * that small models do not ask the system for little pieces. */
static inline int kv_slab_blocks(const struct config *c, enum kv_type type)
{
    enum { RUN_BYTES = 192 << 10, SLAB_BYTES = 4 << 20, MOST = 64 };
    size_t run = RUN_BYTES / kv_head_bytes(c, type), slab = SLAB_BYTES / kv_block_bytes(c, type);
    size_t n = run > slab ? run : slab;
    return n < 1 ? 1 : n > MOST ? MOST : (int)n;
}
/* Bytes between two heads of a layer. */
static inline size_t kv_head_step(const struct config *c, enum kv_type type)
{
    return (size_t)kv_slab_blocks(c, type) * kv_head_bytes(c, type);
}
/* Where a layer begins, from a block's first head. */
static inline size_t kv_layer_offset(const struct config *c, enum kv_type type, int layer)
{
    return (size_t)layer * (size_t)c->n_kv_heads * kv_head_step(c, type);
}
/* Blocks that hold n positions. */
static inline int64_t kv_blocks_for(int64_t n) { return (n + KV_BLOCK - 1) / KV_BLOCK; }

#endif
