/* SPDX-License-Identifier: MIT */
#include <stdlib.h>

#include "base/err.h"
#include "device.h"

static const size_t SLAB_BYTES = 128 << 20;

void kv_pool_init(struct kv_pool *p, size_t block_bytes)
{
    *p = (struct kv_pool){.block_bytes = block_bytes};
    pthread_mutex_init(&p->lock, NULL);
}

void kv_pool_fini(struct kv_pool *p)
{
    for (int i = 0; i < p->n_slabs; i++) cudaFree(p->slabs[i]);
    free(p->slabs);
    free(p->blocks);
    free(p->free_ids);
    pthread_mutex_destroy(&p->lock);
}

/* -- Growing ----------------------------------------------------------------------------------- */

/* Room in the host's lists for n more blocks in one more slab. */
static bool grow_lists(struct kv_pool *p, int n)
{
    if (p->n_slabs == p->cap_slabs) {
        int cap = 2 * p->cap_slabs + 8;
        void **slabs = realloc(p->slabs, (size_t)cap * sizeof *slabs);
        if (!slabs) return false;
        p->slabs = slabs;
        p->cap_slabs = cap;
    }
    if (p->n_blocks + n > p->cap_blocks) {
        int cap = 2 * p->cap_blocks + n;
        struct bf16 **blocks = realloc(p->blocks, (size_t)cap * sizeof *blocks);
        if (blocks) p->blocks = blocks;
        int *ids = realloc(p->free_ids, (size_t)cap * sizeof *ids);
        if (ids) p->free_ids = ids;
        if (!blocks || !ids) return false;
        p->cap_blocks = cap;
    }
    return true;
}

/* A slab of n blocks. */
static cudaError_t add_slab(struct kv_pool *p, int n)
{
    void *slab;
    if (!grow_lists(p, n)) return cudaErrorMemoryAllocation;
    cudaError_t rc = cudaMalloc(&slab, (size_t)n * p->block_bytes);
    if (rc != cudaSuccess) return rc;
    p->slabs[p->n_slabs++] = slab;
    for (int i = n - 1; i >= 0; i--) p->free_ids[p->n_free++] = p->n_blocks + i;
    for (int i = 0; i < n; i++)
        p->blocks[p->n_blocks++] = (struct bf16 *)((char *)slab + (size_t)i * p->block_bytes);
    return cudaSuccess;
}

/* Whole slabs, or as little as is needed when the GPU is nearly full. */
static cudaError_t grow(struct kv_pool *p, int n_missing)
{
    int n = (int)(SLAB_BYTES / p->block_bytes);
    if (n < n_missing) n = n_missing;
    cudaError_t rc = add_slab(p, n);
    if (rc != cudaErrorMemoryAllocation || n == n_missing) return rc;
    cudaGetLastError(); /* forgotten: it has been answered */
    return add_slab(p, n_missing);
}

/* -- Public ------------------------------------------------------------------------------------ */

int kv_pool_take(struct kv_pool *p, int n, int *ret_ids, struct phi3v_error *err)
{
    pthread_mutex_lock(&p->lock);
    cudaError_t rc = n > p->n_free ? grow(p, n - p->n_free) : cudaSuccess;
    if (rc == cudaSuccess)
        for (int i = 0; i < n; i++) ret_ids[i] = p->free_ids[--p->n_free];
    pthread_mutex_unlock(&p->lock);
    return rc == cudaSuccess ? 0
                             : device_error(rc, "keys and values", (size_t)n * p->block_bytes, err);
}

void kv_pool_give(struct kv_pool *p, const int *ids, int n)
{
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < n; i++) p->free_ids[p->n_free++] = ids[i];
    pthread_mutex_unlock(&p->lock);
}

void kv_pool_resolve(struct kv_pool *p, const int *ids, int n, struct bf16 **ret)
{
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < n; i++) ret[i] = p->blocks[ids[i]];
    pthread_mutex_unlock(&p->lock);
}
