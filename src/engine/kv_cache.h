/* SPDX-License-Identifier: MIT
 * A session's KV cache: a token sequence, the blocks of keys and values of its first `held`
 * positions, and the rope factors they were computed with. Keys computed with other factors are of
 * no use (docs/model.md, Rotary positions), so the cache holds one kind at a time. Full blocks are
 * published in the model's pool; blocks shared there are read-only. */
#ifndef ENGINE_KV_CACHE_H
#define ENGINE_KV_CACHE_H

#include <stdbool.h>

#include "engine/kv_pool.h"

struct kv_cache {
    struct kv_pool *pool; // of the model
    struct sequence seq;  // the positions from `held` on are still to be computed
    size_t held;
    enum rope_factors rope_factors;
    int *blocks; // [n_blocks], KV_BLOCK positions each
    int n_blocks, cap_blocks;
    bool alone; // neither finds blocks in the pool nor publishes any
};

/* The part of a sequence that need not be computed: its first n positions lie in blocks held for
 * it. When n ends within the last block, that block may be written to. */
struct kv_cache_start {
    size_t n;
    int *blocks; // [n_blocks]
    int n_blocks;
};

void kv_cache_init(struct kv_cache *kv, struct kv_pool *pool);
void kv_cache_fini(struct kv_cache *kv);
void kv_cache_clear(struct kv_cache *kv);

/* How many of the first n positions of a sequence kv_cache_start would find for these rope factors,
 * here or in the pool. */
size_t kv_cache_reusable(const struct kv_cache *kv, const struct sequence *seq, size_t n,
                         enum rope_factors rope_factors);
/* Finds them, and holds their blocks until kv_cache_adopt or kv_cache_start_fini. A shared block
 * that must be written to is copied, or left out when the device cannot copy. Publishes what this
 * cache holds, because kv_cache_adopt may drop it. Error: MEMORY. */
int kv_cache_start(struct kv_cache *kv, const struct sequence *seq, size_t n,
                   enum rope_factors rope_factors, struct kv_cache_start *ret,
                   struct phi3v_error *err);
void kv_cache_start_fini(const struct kv_cache *kv, struct kv_cache_start *start);
/* Makes seq (taken; NULL keeps the present one) the cache's sequence, and start (taken) the part of
 * it that is held. */
void kv_cache_adopt(struct kv_cache *kv, struct sequence *seq, struct kv_cache_start *start,
                    enum rope_factors rope_factors);
/* Makes an empty cache hold what another one holds, less the last block when it is not full and the
 * device cannot copy it. Error: MEMORY. */
int kv_cache_fork(struct kv_cache *kv, struct kv_cache *from, struct phi3v_error *err);

/* Makes room for n positions. Error: MEMORY; what is held stays. */
int kv_cache_reserve(struct kv_cache *kv, size_t n, struct phi3v_error *err);
/* Shortens the sequence to the held positions, and gives back the blocks after them. */
void kv_cache_trim(struct kv_cache *kv);
/* Publishes the full blocks in the pool, for every session of the model. */
void kv_cache_publish(struct kv_cache *kv);

#endif
