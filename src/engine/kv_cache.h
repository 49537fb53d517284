/* SPDX-License-Identifier: MIT
 * What a session's cache holds: a token sequence, the blocks of keys and values of its first `held`
 * positions, and the rope factors they were computed with. Positions computed under other factors
 * are worth nothing (phi3v.md 7), so the cache holds those of one list at a time. Whole blocks are
 * published in the model's pool, and what is shared there is only read. */
#ifndef ENGINE_KV_CACHE_H
#define ENGINE_KV_CACHE_H

#include <stdbool.h>

#include "engine/kv_pool.h"

struct kv_cache {
    struct kv_pool *pool; // of the model
    struct sequence seq;  // seq.n >= held: the rest is being computed
    size_t held;
    enum rope_factors rope_factors;
    int *blocks; // [n_blocks], KV_BLOCK positions each
    int n_blocks, cap_blocks;
    bool alone; // takes nothing from the pool and publishes nothing
};

/* What a sequence need not have computed: its first n positions lie in blocks that are held for it,
 * the last of which it may write to where the n positions end within it. */
struct kv_cache_start {
    size_t n;
    int *blocks; // [n_blocks]
    int n_blocks;
};

void kv_cache_init(struct kv_cache *kv, struct kv_pool *pool);
void kv_cache_fini(struct kv_cache *kv);
/* Forgets everything. */
void kv_cache_clear(struct kv_cache *kv);

/* How many of the first n positions of a sequence, to be computed with those rope factors, kv_cache_start
 * would find, here or in the pool. */
size_t kv_cache_reusable(const struct kv_cache *kv, const struct sequence *seq, size_t n,
                         enum rope_factors rope_factors);
/* Finds them, and holds their blocks until kv_cache_adopt or kv_cache_start_fini. A block that is shared and
 * whose end is to be computed is copied; where the device cannot, it is left out. Publishes what is
 * held here: it may be given up next. Error: MEMORY. */
int kv_cache_start(struct kv_cache *kv, const struct sequence *seq, size_t n,
                   enum rope_factors rope_factors, struct kv_cache_start *ret,
                   struct phi3v_error *err);
void kv_cache_start_fini(const struct kv_cache *kv, struct kv_cache_start *start);
/* From now on seq (taken; NULL: the same), beginning with what start (taken) has of it. */
void kv_cache_adopt(struct kv_cache *kv, struct sequence *seq, struct kv_cache_start *start,
                    enum rope_factors rope_factors);
/* An empty cache comes to hold what another one does, without the end of its last block where the
 * device cannot copy it. Error: MEMORY. */
int kv_cache_fork(struct kv_cache *kv, struct kv_cache *from, struct phi3v_error *err);

/* Blocks for n positions. Error: MEMORY; what is held stays. */
int kv_cache_reserve(struct kv_cache *kv, size_t n, struct phi3v_error *err);
/* Shortens the sequence to what is held, and gives back blocks behind it. */
void kv_cache_trim(struct kv_cache *kv);
/* Gives the whole blocks that are held to the pool, for any session of the model. */
void kv_cache_publish(struct kv_cache *kv);

#endif
