/* SPDX-License-Identifier: MIT */
#include "engine/kv_cache.h"

#include <assert.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

static int blocks_for(size_t n) { return (int)((n + KV_BLOCK - 1) / KV_BLOCK); }

void kv_cache_init(struct kv_cache *kv, struct kv_pool *pool)
{
    *kv = (struct kv_cache){.pool = pool};
}

static void give_back(struct kv_cache *kv, int first)
{
    if (first >= kv->n_blocks) return;
    kv_pool_release(kv->pool, kv->blocks + first, kv->n_blocks - first);
    kv->n_blocks = first;
}

void kv_cache_publish(struct kv_cache *kv)
{
    if (kv->alone) return;
    kv_pool_publish(kv->pool, &kv->seq, kv->rope_factors, kv->blocks, (int)(kv->held / KV_BLOCK));
}

void kv_cache_clear(struct kv_cache *kv)
{
    kv_cache_publish(kv);
    give_back(kv, 0);
    sequence_fini(&kv->seq); // its pictures too
    kv->held = 0;
}

void kv_cache_fini(struct kv_cache *kv)
{
    kv_cache_clear(kv);
    mem_free(kv->blocks);
    kv->blocks = NULL;
    kv->cap_blocks = 0;
}

/* -- What need not be computed ----------------------------------------------------------------- */

/* How many of the first n positions of seq this cache holds. */
static size_t common(const struct kv_cache *kv, const struct sequence *seq, size_t n,
                     enum rope_factors rope_factors)
{
    if (kv->held == 0 || kv->rope_factors != rope_factors) return 0;
    size_t same = sequence_common(&kv->seq, seq);
    if (kv->held < same) same = kv->held;
    return same < n ? same : n;
}

/* n, less the positions of a last block that is partial, shared and cannot be copied. */
static size_t usable(const struct kv_cache *kv, size_t n, int last_block, int own)
{
    size_t part = n % KV_BLOCK;
    bool copies = kv->pool->backend->table->kv_copy;
    return part == 0 || copies || !kv_pool_shared(kv->pool, last_block, own) ? n : n - part;
}

size_t kv_cache_reusable(const struct kv_cache *kv, const struct sequence *seq, size_t n,
                         enum rope_factors rope_factors)
{
    size_t here = common(kv, seq, n, rope_factors);
    size_t there = kv->alone ? 0 : kv_pool_find(kv->pool, seq, n, rope_factors, NULL);
    if (here > 0) here = usable(kv, here, kv->blocks[(here - 1) / KV_BLOCK], 1);
    if (!kv->pool->backend->table->kv_copy) there -= there % KV_BLOCK;
    return here > there ? here : there;
}

/* Replaces a block by a copy; false when none can be made. */
static bool copy_block(struct kv_pool *p, int *block)
{
    int copy;
    if (!p->backend->table->kv_copy || kv_pool_alloc(p, 1, &copy, NULL)) return false;
    p->backend->table->kv_copy(p->backend, *block, copy);
    kv_pool_release(p, block, 1);
    *block = copy;
    return true;
}

/* The rest of the last block will be written, so nobody else may hold it. own: how many of its
 * holders are this cache and this start. */
static void own_last(const struct kv_cache *kv, struct kv_cache_start *start, int own)
{
    size_t part = start->n % KV_BLOCK;
    int *last = &start->blocks[start->n_blocks - 1];
    if (part == 0 || !kv_pool_shared(kv->pool, *last, own) || copy_block(kv->pool, last)) return;
    kv_pool_release(kv->pool, last, 1);
    start->n_blocks--;
    start->n -= part;
}

int kv_cache_start(struct kv_cache *kv, const struct sequence *seq, size_t n,
                   enum rope_factors rope_factors, struct kv_cache_start *ret,
                   struct phi3v_error *err)
{
    kv_cache_publish(kv); // before, or a block could be published later and still be written to
    size_t here = common(kv, seq, n, rope_factors), count = (size_t)blocks_for(n);
    struct kv_cache_start start = {.blocks = mem_array(count, sizeof *start.blocks)};
    if (!start.blocks) return err_memory(err, "keys and values", count * sizeof *start.blocks);
    if (!kv->alone) start.n = kv_pool_find(kv->pool, seq, n, rope_factors, start.blocks);
    start.n_blocks = blocks_for(start.n);
    const bool own = here >= start.n;
    if (own) {
        kv_pool_release(kv->pool, start.blocks, start.n_blocks);
        start.n = here;
        start.n_blocks = blocks_for(here);
        if (here > 0) memcpy(start.blocks, kv->blocks, (size_t)start.n_blocks * sizeof(int));
        kv_pool_hold(kv->pool, start.blocks, start.n_blocks);
    }
    if (start.n > 0) own_last(kv, &start, own ? 2 : 1);
    *ret = start;
    return 0;
}

void kv_cache_start_fini(const struct kv_cache *kv, struct kv_cache_start *start)
{
    kv_pool_release(kv->pool, start->blocks, start->n_blocks);
    mem_free(start->blocks);
    *start = (struct kv_cache_start){0};
}

void kv_cache_adopt(struct kv_cache *kv, struct sequence *seq, struct kv_cache_start *start,
                    enum rope_factors rope_factors)
{
    give_back(kv, 0);
    mem_free(kv->blocks);
    kv->blocks = start->blocks;
    kv->n_blocks = kv->cap_blocks = start->n_blocks;
    kv->held = start->n;
    kv->rope_factors = rope_factors;
    *start = (struct kv_cache_start){0};
    if (!seq) return;
    sequence_fini(&kv->seq);
    kv->seq = *seq;
    *seq = (struct sequence){0};
}

int kv_cache_fork(struct kv_cache *kv, struct kv_cache *from, struct phi3v_error *err)
{
    assert(kv->n_blocks == 0 && kv->pool == from->pool);
    kv_cache_publish(from);
    struct sequence seq;
    struct kv_cache_start start = {.n = from->held, .n_blocks = blocks_for(from->held)};
    size_t n = (size_t)start.n_blocks;
    int rc = sequence_copy(&from->seq, 0, &seq, err);
    if (rc) return rc;
    start.blocks = mem_array(n, sizeof *start.blocks);
    if (!start.blocks) {
        sequence_fini(&seq);
        return err_memory(err, "keys and values", n * sizeof *start.blocks);
    }
    if (n > 0) memcpy(start.blocks, from->blocks, n * sizeof *start.blocks);
    kv_pool_hold(kv->pool, start.blocks, start.n_blocks);
    if (start.n > 0) own_last(from, &start, 1);
    seq.n = start.n;
    kv_cache_adopt(kv, &seq, &start, from->rope_factors);
    kv->alone = from->alone;
    return 0;
}

/* -- Room -------------------------------------------------------------------------------------- */

int kv_cache_reserve(struct kv_cache *kv, size_t n, struct phi3v_error *err)
{
    int want = blocks_for(n);
    if (want <= kv->n_blocks) return 0;
    if (want > kv->cap_blocks) {
        int *blocks = mem_resize(kv->blocks, (size_t)want, sizeof *blocks);
        if (!blocks) return err_memory(err, "keys and values", (size_t)want * sizeof *blocks);
        kv->blocks = blocks;
        kv->cap_blocks = want;
    }
    int rc = kv_pool_alloc(kv->pool, want - kv->n_blocks, kv->blocks + kv->n_blocks, err);
    if (!rc) kv->n_blocks = want;
    return rc;
}

void kv_cache_trim(struct kv_cache *kv)
{
    if (kv->seq.n > kv->held) kv->seq.n = kv->held;
    give_back(kv, blocks_for(kv->held));
}
