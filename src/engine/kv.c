/* SPDX-License-Identifier: MIT */
#include "engine/kv.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

static int blocks_for(size_t n) { return (int)((n + KV_BLOCK - 1) / KV_BLOCK); }

/* -- Shared blocks ----------------------------------------------------------------------------- */

void kv_shares_init(struct kv_shares *s)
{
    *s = (struct kv_shares){0};
    pthread_mutex_init(&s->lock, NULL);
}

void kv_shares_fini(struct kv_shares *s)
{
    mem_free(s->others);
    pthread_mutex_destroy(&s->lock);
}

static bool is_shared(const struct kv *kv, int i)
{
    struct kv_shares *s = kv->shares;
    pthread_mutex_lock(&s->lock);
    bool shared = kv->blocks[i] < s->cap && s->others[kv->blocks[i]] > 0;
    pthread_mutex_unlock(&s->lock);
    return shared;
}

/* One holder less for each of the blocks from `first` on; the last one gives them back. */
static void release(struct kv *kv, int first)
{
    struct kv_shares *s = kv->shares;
    int n_own = first;
    pthread_mutex_lock(&s->lock);
    for (int i = first; i < kv->n_blocks; i++) {
        int id = kv->blocks[i];
        if (id < s->cap && s->others[id] > 0)
            s->others[id]--;
        else
            kv->blocks[n_own++] = id;
    }
    pthread_mutex_unlock(&s->lock);
    if (n_own > first) kv->backend->table->kv_free(kv->backend, kv->blocks + first, n_own - first);
    kv->n_blocks = first;
}

/* One holder more for each of n blocks. */
static int hold(struct kv_shares *s, const int *blocks, int n, struct phi3v_error *err)
{
    int end = 0, rc = 0;
    for (int i = 0; i < n; i++)
        if (blocks[i] >= end) end = blocks[i] + 1;
    pthread_mutex_lock(&s->lock);
    if (end > s->cap) {
        int *others = mem_resize(s->others, (size_t)end, sizeof *others);
        if (!others) rc = err_memory(err, "shared keys and values", (size_t)end * sizeof *others);
        if (others) s->others = others;
        while (others && s->cap < end) s->others[s->cap++] = 0;
    }
    for (int i = 0; i < n && !rc; i++) s->others[blocks[i]]++;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

size_t kv_keepable(const struct kv *kv, size_t n)
{
    size_t part = n % KV_BLOCK;
    return part > 0 && is_shared(kv, (int)(n / KV_BLOCK)) ? n - part : n;
}

int kv_share(struct kv *kv, const struct kv *from, size_t n, struct phi3v_error *err)
{
    assert(n % KV_BLOCK == 0 && n <= from->held && kv != from && kv->shares == from->shares);
    int n_blocks = (int)(n / KV_BLOCK);
    struct sequence seq;
    int *blocks = mem_array((size_t)n_blocks, sizeof *blocks);
    if (!blocks) return err_memory(err, "keys and values", (size_t)n_blocks * sizeof *blocks);
    int rc = sequence_copy(&from->seq, 0, &seq, err);
    if (!rc && (rc = hold(kv->shares, from->blocks, n_blocks, err))) sequence_fini(&seq);
    if (rc) {
        mem_free(blocks);
        return rc;
    }
    kv_fini(kv);
    memcpy(blocks, from->blocks, (size_t)n_blocks * sizeof *blocks);
    kv->blocks = blocks;
    kv->n_blocks = kv->cap_blocks = n_blocks;
    kv->seq = seq;
    kv->seq.n = kv->held = n;
    kv->regime = from->regime;
    return 0;
}

void kv_rewind(struct kv *kv)
{
    bool shared = false;
    for (int i = 0; i < kv->n_blocks; i++) shared |= is_shared(kv, i);
    if (shared) release(kv, 0);
    kv->held = 0;
}

/* -- One cache --------------------------------------------------------------------------------- */

void kv_init(struct kv *kv, struct backend *backend, struct kv_shares *shares)
{
    *kv = (struct kv){.backend = backend, .shares = shares};
}

void kv_fini(struct kv *kv)
{
    kv_truncate(kv, 0);
    sequence_fini(&kv->seq);
    mem_free(kv->blocks);
    kv->blocks = NULL;
    kv->cap_blocks = 0;
}

size_t kv_common(const struct kv *kv, const struct sequence *seq, enum rope_regime regime)
{
    if (kv->held == 0 || kv->regime != regime) return 0;
    size_t n = sequence_common(&kv->seq, seq);
    return n < kv->held ? n : kv->held;
}

void kv_adopt(struct kv *kv, struct sequence *seq, size_t n_keep, enum rope_regime regime)
{
    assert(n_keep <= kv->held && (n_keep == 0 || regime == kv->regime));
    kv_truncate(kv, n_keep);
    sequence_fini(&kv->seq);
    kv->seq = *seq;
    *seq = (struct sequence){0};
    kv->regime = regime;
}

int kv_reserve(struct kv *kv, size_t n, struct phi3v_error *err)
{
    int want = blocks_for(n);
    if (want <= kv->n_blocks) return 0;
    if (want > kv->cap_blocks) {
        int *blocks = mem_resize(kv->blocks, (size_t)want, sizeof *blocks);
        if (!blocks) return err_memory(err, "keys and values", (size_t)want * sizeof *blocks);
        kv->blocks = blocks;
        kv->cap_blocks = want;
    }
    int rc = kv->backend->table->kv_alloc(kv->backend, want - kv->n_blocks,
                                          kv->blocks + kv->n_blocks, err);
    if (!rc) kv->n_blocks = want;
    return rc;
}

void kv_truncate(struct kv *kv, size_t n)
{
    if (n < kv->held) kv->held = n;
    if (kv->seq.n > kv->held) kv->seq.n = kv->held;
    int keep = blocks_for(kv->held);
    if (keep < kv->n_blocks) release(kv, keep);
}
