/* SPDX-License-Identifier: MIT */
#include "engine/kv_pool.h"

#include <assert.h>
#include <stdbool.h>
#include <string.h>

#include "base/err.h"
#include "base/mem.h"

void kv_pool_init(struct kv_pool *p, struct backend *backend, size_t budget_bytes)
{
    *p = (struct kv_pool){.backend = backend};
    p->most_idle = (int64_t)(budget_bytes / backend->table->kv_block_bytes(backend));
    pthread_mutex_init(&p->lock, NULL);
}

/* -- Holders ----------------------------------------------------------------------------------- */

static void hold(struct kv_pool *p, int id)
{
    struct kv_block *b = &p->blocks[id];
    p->n_idle -= b->node && b->holders == 1;
    b->holders++;
}

static void release(struct kv_pool *p, int id)
{
    struct kv_block *b = &p->blocks[id];
    assert(b->holders > 0);
    if (--b->holders == 0) p->backend->table->kv_free(p->backend, &id, 1);
    p->n_idle += b->node && b->holders == 1;
}

/* -- Age --------------------------------------------------------------------------------------- */

static void unlink_age(struct kv_pool *p, struct kv_node *n)
{
    if (n->older)
        n->older->newer = n->newer;
    else
        p->oldest = n->newer;
    if (n->newer)
        n->newer->older = n->older;
    else
        p->newest = n->older;
}

static void link_newest(struct kv_pool *p, struct kv_node *n)
{
    n->older = p->newest;
    n->newer = NULL;
    if (p->newest)
        p->newest->newer = n;
    else
        p->oldest = n;
    p->newest = n;
}

/* Marks a node and its parents as used; the parents become newer than it. */
static void touch(struct kv_pool *p, struct kv_node *n)
{
    for (; n->parent; n = n->parent) {
        unlink_age(p, n);
        link_newest(p, n);
    }
}

/* -- The tree ---------------------------------------------------------------------------------- */

/* Removes a node without children; the tree no longer holds its block. */
static void remove_node(struct kv_pool *p, struct kv_node *n)
{
    struct kv_node **link = &n->parent->first_child;
    while (*link != n) link = &(*link)->sibling;
    *link = n->sibling;
    unlink_age(p, n);
    p->n_idle -= p->blocks[n->block].holders == 1;
    p->blocks[n->block].node = NULL;
    release(p, n->block);
    mem_free(n);
}

/* Removes the oldest idle nodes until at most `most` are left. A session holds all parents of what
 * it holds, so one of the idle nodes never has children. */
static void evict(struct kv_pool *p, int64_t most)
{
    for (struct kv_node *n = p->oldest, *next; n && p->n_idle > most; n = next) {
        next = n->newer;
        if (p->blocks[n->block].holders == 1 && !n->first_child) remove_node(p, n);
    }
}

void kv_pool_fini(struct kv_pool *p)
{
    evict(p, 0);
    assert(!p->oldest);
    mem_free(p->blocks);
    mem_free(p->pictures);
    pthread_mutex_destroy(&p->lock);
}

static struct kv_node *find_child(const struct kv_node *parent, const int64_t *key)
{
    for (struct kv_node *n = parent->first_child; n; n = n->sibling)
        if (!memcmp(n->key, key, sizeof n->key)) return n;
    return NULL;
}

/* The child that matches most of the first n positions of key, and how many. */
static struct kv_node *closest_child(const struct kv_node *parent, const int64_t *key, size_t n,
                                     size_t *ret_n)
{
    struct kv_node *best = NULL;
    *ret_n = 0;
    for (struct kv_node *child = parent->first_child; child; child = child->sibling) {
        size_t i = 0;
        while (i < n && child->key[i] == key[i]) i++;
        if (i > *ret_n) {
            *ret_n = i;
            best = child;
        }
    }
    return best;
}

static struct kv_node *add_child(struct kv_pool *p, struct kv_node *parent, const int64_t *key,
                                 int block)
{
    struct kv_node *n = mem_zalloc(sizeof *n);
    if (!n) return NULL;
    n->parent = parent;
    n->sibling = parent->first_child;
    parent->first_child = n;
    n->block = block;
    memcpy(n->key, key, sizeof n->key);
    link_newest(p, n);
    hold(p, block);
    p->blocks[block].node = n;
    return n;
}

/* -- Keys -------------------------------------------------------------------------------------- */

enum { UNKNOWN = -1 };

/* The picture's number in keys; UNKNOWN when no key has it yet, or without memory to add it. */
static int picture_number(struct kv_pool *p, const struct slot *slot, bool add)
{
    const char *digest = slot->image->info.content_sha256;
    for (int i = 0; i < p->n_pictures; i++)
        if (p->pictures[i].num_crops == slot->num_crops &&
            !strcmp(p->pictures[i].content_sha256, digest))
            return i;
    if (!add) return UNKNOWN;
    if (p->n_pictures == p->cap_pictures) {
        int cap = p->cap_pictures ? 2 * p->cap_pictures : 16;
        struct kv_picture *pictures = mem_resize(p->pictures, (size_t)cap, sizeof *pictures);
        if (!pictures) return UNKNOWN;
        p->pictures = pictures;
        p->cap_pictures = cap;
    }
    struct kv_picture *picture = &p->pictures[p->n_pictures];
    picture->num_crops = slot->num_crops;
    memcpy(picture->content_sha256, digest, sizeof picture->content_sha256);
    return p->n_pictures++;
}

/* Reads the keys of a sequence. It remembers one picture's number, because neighbouring positions
 * nearly always belong to the same picture. */
struct reader {
    struct kv_pool *pool;
    const struct sequence *seq;
    bool add;
    int slot, number; // the picture looked up last; slot -1: none
};

/* The key of a token is its id. The key of a picture's row is negative and made of the picture's
 * number and the row. False for a picture that no key has. */
static bool position_key(struct reader *r, size_t at, int64_t *ret)
{
    int32_t id = r->seq->ids[at];
    if (id >= 0) {
        *ret = id;
        return true;
    }
    if (r->slot != -id - 1) {
        r->slot = -id - 1;
        r->number = picture_number(r->pool, &r->seq->slots[r->slot], r->add);
    }
    if (r->number == UNKNOWN) return false;
    *ret = -1 - ((int64_t)r->number << 32 | r->seq->rows[at]);
    return true;
}

/* Reads the keys of up to n (at most KV_BLOCK) positions from `from` on; returns how many exist. */
static size_t read_key(struct reader *r, size_t from, size_t n, int64_t *key)
{
    size_t i = 0;
    while (i < n && i < KV_BLOCK && position_key(r, from + i, &key[i])) i++;
    return i;
}

/* -- Public ------------------------------------------------------------------------------------ */

/* Makes room for the entries of blocks up to `end`. */
static bool reserve(struct kv_pool *p, int end)
{
    if (end <= p->cap) return true;
    int cap = end + end / 2;
    struct kv_block *blocks = mem_resize(p->blocks, (size_t)cap, sizeof *blocks);
    if (!blocks) return false;
    p->blocks = blocks;
    memset(blocks + p->cap, 0, (size_t)(cap - p->cap) * sizeof *blocks);
    p->cap = cap;
    return true;
}

static int alloc(struct kv_pool *p, int n, int *blocks, struct phi3v_error *err)
{
    const struct backend_table *table = p->backend->table;
    int rc = table->kv_alloc(p->backend, n, blocks, err), end = 0;
    if (rc) return rc;
    for (int i = 0; i < n; i++)
        if (blocks[i] >= end) end = blocks[i] + 1;
    if (!reserve(p, end)) {
        table->kv_free(p->backend, blocks, n);
        return err_memory(err, "keys and values", (size_t)end * sizeof *p->blocks);
    }
    for (int i = 0; i < n; i++) p->blocks[blocks[i]].holders = 1;
    return 0;
}

int kv_pool_alloc(struct kv_pool *p, int n, int *ret_blocks, struct phi3v_error *err)
{
    pthread_mutex_lock(&p->lock);
    int rc = alloc(p, n, ret_blocks, err);
    while (rc == PHI3V_E_MEMORY && p->n_idle > 0) {
        evict(p, p->n_idle > n ? p->n_idle - n : 0);
        rc = alloc(p, n, ret_blocks, err);
    }
    pthread_mutex_unlock(&p->lock);
    return rc;
}

void kv_pool_hold(struct kv_pool *p, const int *blocks, int n)
{
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < n; i++) hold(p, blocks[i]);
    pthread_mutex_unlock(&p->lock);
}

void kv_pool_release(struct kv_pool *p, const int *blocks, int n)
{
    pthread_mutex_lock(&p->lock);
    for (int i = 0; i < n; i++) release(p, blocks[i]);
    evict(p, p->most_idle);
    pthread_mutex_unlock(&p->lock);
}

bool kv_pool_shared(struct kv_pool *p, int block, int own)
{
    pthread_mutex_lock(&p->lock);
    bool shared = p->blocks[block].holders > own;
    pthread_mutex_unlock(&p->lock);
    return shared;
}

size_t kv_pool_find(struct kv_pool *p, const struct sequence *seq, size_t n,
                    enum rope_factors rope_factors, int *ret_blocks)
{
    struct reader r = {.pool = p, .seq = seq, .slot = -1};
    int64_t key[KV_BLOCK];
    size_t found = 0, n_part = 0;
    int n_blocks = 0;
    pthread_mutex_lock(&p->lock);
    struct kv_node *at = &p->roots[rope_factors], *next = at;
    while (next && found < n) {
        size_t n_key = read_key(&r, found, n - found, key);
        next = n_key == KV_BLOCK ? find_child(at, key) : NULL;
        if (!next) {
            struct kv_node *close = closest_child(at, key, n_key, &n_part);
            if (close) at = close;
        } else {
            at = next;
            n_part = KV_BLOCK;
        }
        found += n_part;
        if (ret_blocks && n_part > 0) {
            hold(p, at->block);
            ret_blocks[n_blocks++] = at->block;
        }
    }
    if (ret_blocks) touch(p, at);
    pthread_mutex_unlock(&p->lock);
    return found;
}

void kv_pool_publish(struct kv_pool *p, const struct sequence *seq, enum rope_factors rope_factors,
                     int *blocks, int n)
{
    struct reader r = {.pool = p, .seq = seq, .add = true, .slot = -1};
    int64_t key[KV_BLOCK];
    pthread_mutex_lock(&p->lock);
    struct kv_node *at = &p->roots[rope_factors];
    for (int i = 0; i < n; i++) {
        if (read_key(&r, (size_t)i * KV_BLOCK, KV_BLOCK, key) < KV_BLOCK) break;
        struct kv_node *next = find_child(at, key);
        if (!next) next = add_child(p, at, key, blocks[i]);
        if (!next) break;
        if (next->block != blocks[i]) {
            hold(p, next->block);
            release(p, blocks[i]);
            blocks[i] = next->block;
        }
        at = next;
    }
    touch(p, at);
    pthread_mutex_unlock(&p->lock);
}
