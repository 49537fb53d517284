/* SPDX-License-Identifier: MIT
 * What a session's cache holds: a token sequence, the blocks of keys and values of its first `held`
 * positions, and the rope factors they were computed with. Positions computed under other factors
 * are worth nothing (phi3v.md 7), so the cache holds one regime at a time. */
#ifndef ENGINE_KV_H
#define ENGINE_KV_H

#include "backend/backend.h"
#include "engine/sequence.h"

struct kv {
    struct backend *backend;
    struct sequence seq; // seq.n >= held: the rest is being computed
    size_t held;
    enum rope_regime regime;
    int *blocks; // [n_blocks], KV_BLOCK positions each
    int n_blocks, cap_blocks;
};

void kv_init(struct kv *kv, struct backend *backend);
void kv_fini(struct kv *kv);
/* Positions that a sequence to be computed under `regime` has in common with what is held. */
size_t kv_common(const struct kv *kv, const struct sequence *seq, enum rope_regime regime);
/* From now on seq (taken), of which the first n_keep positions stay as held. */
void kv_adopt(struct kv *kv, struct sequence *seq, size_t n_keep, enum rope_regime regime);
/* Blocks for n positions. Error: MEMORY; what is held stays. */
int kv_reserve(struct kv *kv, size_t n, struct phi3v_error *err);
/* Shortens the sequence to what is held, at most n positions, and gives back blocks behind it. */
void kv_truncate(struct kv *kv, size_t n);

#endif
