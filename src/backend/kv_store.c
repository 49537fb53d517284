/* SPDX-License-Identifier: MIT */
#include "backend/kv_store.h"

#include <assert.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "base/mem.h"

struct slab {
    char *data;    // NULL while none of its blocks is in use
    uint64_t used; // bit i: block i of the slab is in use
};

struct kv_store {
    pthread_mutex_t lock;
    size_t block_bytes, part_bytes;
    int per_slab;
    struct slab *slabs; // [n_slabs]; the array may move, slab memory does not
    int n_slabs, cap_slabs;
};

static size_t slab_bytes(const struct kv_store *s) { return (size_t)s->per_slab * s->block_bytes; }

int kv_store_new(size_t n_parts, size_t part_bytes, int slab_blocks, struct kv_store **ret,
                 struct phi3v_error *err)
{
    assert(slab_blocks >= 1 && slab_blocks <= 64);
    struct kv_store *s = mem_zalloc(sizeof *s);
    if (!s) return err_memory(err, "the key/value store", sizeof *s);
    s->block_bytes = n_parts * part_bytes;
    s->part_bytes = part_bytes;
    s->per_slab = slab_blocks;
    pthread_mutex_init(&s->lock, NULL);
    *ret = s;
    return 0;
}

void kv_store_free(struct kv_store *s)
{
    if (!s) return;
    for (int i = 0; i < s->n_slabs; i++) mem_pages_free(s->slabs[i].data, slab_bytes(s));
    mem_free(s->slabs);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
}

static uint64_t full_mask(const struct kv_store *s)
{
    return s->per_slab == 64 ? UINT64_MAX : (UINT64_C(1) << s->per_slab) - 1;
}

/* A slab with a free block: preferably one that has memory, then an unused entry, then a new entry.
 * -1 without memory. */
static int find_slab(struct kv_store *s)
{
    int empty = -1;
    for (int i = 0; i < s->n_slabs; i++) {
        if (s->slabs[i].data && s->slabs[i].used != full_mask(s)) return i;
        if (!s->slabs[i].data && empty < 0) empty = i;
    }
    if (empty >= 0) return empty;
    if (s->n_slabs == s->cap_slabs) {
        int cap = s->cap_slabs ? 2 * s->cap_slabs : 16;
        struct slab *slabs = mem_resize(s->slabs, (size_t)cap, sizeof *slabs);
        if (!slabs) return -1;
        s->slabs = slabs;
        s->cap_slabs = cap;
    }
    s->slabs[s->n_slabs] = (struct slab){0};
    return s->n_slabs++;
}

/* Checks the free memory first, because the system would promise more than it has, and kill the
 * process when that is touched. */
static char *new_slab(const struct kv_store *s)
{
    if (slab_bytes(s) > mem_available_bytes()) return NULL;
    return mem_pages(slab_bytes(s));
}

static int take_one(struct kv_store *s)
{
    int i = find_slab(s);
    if (i < 0) return -1;
    struct slab *slab = &s->slabs[i];
    if (!slab->data) slab->data = new_slab(s);
    if (!slab->data) return -1;
    int bit = __builtin_ctzll(~slab->used);
    slab->used |= UINT64_C(1) << bit;
    return i * s->per_slab + bit;
}

static void give_one(struct kv_store *s, int id)
{
    struct slab *slab = &s->slabs[id / s->per_slab];
    uint64_t bit = UINT64_C(1) << (id % s->per_slab);
    assert(slab->used & bit);
    slab->used &= ~bit;
    if (slab->used) return;
    mem_pages_free(slab->data, slab_bytes(s));
    slab->data = NULL;
}

int kv_store_take(struct kv_store *s, int n, int *ret_ids, struct phi3v_error *err)
{
    int taken = 0;
    pthread_mutex_lock(&s->lock);
    for (; taken < n; taken++)
        if ((ret_ids[taken] = take_one(s)) < 0) break;
    if (taken < n)
        for (int i = 0; i < taken; i++) give_one(s, ret_ids[i]);
    pthread_mutex_unlock(&s->lock);
    if (taken == n) return 0;
    return err_memory(err, "keys and values", (size_t)(n - taken) * s->block_bytes);
}

void kv_store_give(struct kv_store *s, const int *ids, int n)
{
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < n; i++) give_one(s, ids[i]);
    pthread_mutex_unlock(&s->lock);
}

void kv_store_resolve(struct kv_store *s, const int *ids, int n, char **ret_blocks)
{
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < n; i++) {
        const struct slab *slab = &s->slabs[ids[i] / s->per_slab];
        assert(slab->used & UINT64_C(1) << (ids[i] % s->per_slab));
        ret_blocks[i] = slab->data + (size_t)(ids[i] % s->per_slab) * s->part_bytes;
    }
    pthread_mutex_unlock(&s->lock);
}

void kv_store_copy(struct kv_store *s, int from, int to)
{
    char *blocks[2];
    size_t step = (size_t)s->per_slab * s->part_bytes;
    kv_store_resolve(s, (int[]){from, to}, 2, blocks);
    for (size_t at = 0; at < slab_bytes(s); at += step)
        memcpy(blocks[1] + at, blocks[0] + at, s->part_bytes);
}

size_t kv_store_block_bytes(const struct kv_store *s) { return s->block_bytes; }

size_t kv_store_bytes(struct kv_store *s)
{
    size_t n = 0;
    pthread_mutex_lock(&s->lock);
    for (int i = 0; i < s->n_slabs; i++)
        if (s->slabs[i].data) n += slab_bytes(s);
    pthread_mutex_unlock(&s->lock);
    return n;
}
