/* SPDX-License-Identifier: MIT */
#include "engine/kv.h"

#include <assert.h>

#include "base/mem.h"

static int blocks_for(size_t n) { return (int)((n + KV_BLOCK - 1) / KV_BLOCK); }

void kv_init(struct kv *kv, struct backend *backend) { *kv = (struct kv){.backend = backend}; }

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
    if (keep < kv->n_blocks) {
        kv->backend->table->kv_free(kv->backend, kv->blocks + keep, kv->n_blocks - keep);
        kv->n_blocks = keep;
    }
}
