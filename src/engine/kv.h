/* SPDX-License-Identifier: MIT
 * What a session's cache holds: a token sequence, the blocks of keys and values of its first `held`
 * positions, and the rope factors they were computed with. Positions computed under other factors
 * are worth nothing (phi3v.md 7), so the cache holds one regime at a time. Caches of one model may
 * share whole blocks: what several hold is only read. */
#ifndef ENGINE_KV_H
#define ENGINE_KV_H

#include <pthread.h>

#include "backend/backend.h"
#include "engine/sequence.h"

/* How many caches hold each block. Locks itself. */
struct kv_shares {
    pthread_mutex_t lock;
    int *others; // [cap] by block: holders beside the first
    int cap;
};
void kv_shares_init(struct kv_shares *s);
void kv_shares_fini(struct kv_shares *s);

struct kv {
    struct backend *backend;
    struct kv_shares *shares; // of the model
    struct sequence seq;      // seq.n >= held: the rest is being computed
    size_t held;
    enum rope_regime regime;
    int *blocks; // [n_blocks], KV_BLOCK positions each
    int n_blocks, cap_blocks;
};

void kv_init(struct kv *kv, struct backend *backend, struct kv_shares *shares);
void kv_fini(struct kv *kv);
/* Positions that a sequence to be computed under `regime` has in common with what is held. */
size_t kv_common(const struct kv *kv, const struct sequence *seq, enum rope_regime regime);
/* The most positions, at most n, that may stay when others are written behind them: whole blocks of
 * what is shared. */
size_t kv_keepable(const struct kv *kv, size_t n);
/* Holds the first n positions of `from`, whole blocks, too, in place of what it held. Error:
 * MEMORY; what is held stays. */
int kv_share(struct kv *kv, const struct kv *from, size_t n, struct phi3v_error *err);
/* Every position is to be computed again: gives back what is shared. */
void kv_rewind(struct kv *kv);
/* From now on seq (taken), of which the first n_keep positions (keepable) stay as held. */
void kv_adopt(struct kv *kv, struct sequence *seq, size_t n_keep, enum rope_regime regime);
/* Blocks for n positions. Error: MEMORY; what is held stays. */
int kv_reserve(struct kv *kv, size_t n, struct phi3v_error *err);
/* Shortens the sequence to what is held, at most n (keepable) positions, and gives back blocks
 * behind it. */
void kv_truncate(struct kv *kv, size_t n);

#endif
