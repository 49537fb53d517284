/* SPDX-License-Identifier: MIT
 * The blocks of keys and values of a model: who holds each, and the prefix tree that finds them
 * again. A session publishes its whole blocks: from then on they are only read, and any session
 * whose sequence begins with the same tokens may hold them too, now or later. What no session holds
 * is kept within a budget, and the least recently used goes first. */
#ifndef ENGINE_KV_POOL_H
#define ENGINE_KV_POOL_H

#include <pthread.h>

#include "backend/backend.h"
#include "engine/sequence.h"

enum { N_ROPE_FACTORS = 2 };

/* A published block: KV_BLOCK positions behind those of its parents. */
struct kv_node {
    struct kv_node *parent, *first_child, *sibling;
    struct kv_node *older, *newer; // by use
    int block;
    int64_t key[KV_BLOCK]; // what each position is: see position_key
};

struct kv_picture { // as much of a slot as decides its rows
    char content_sha256[65];
    int num_crops;
};

struct kv_pool { // thread-safe
    pthread_mutex_t lock;
    struct backend *backend;
    struct kv_block {
        int holders;          // sessions, and the tree; 0: not in use
        struct kv_node *node; // NULL: not published
    } * blocks;               // [cap] by id
    int cap;
    int64_t n_idle, most_idle;            // blocks that only the tree holds
    struct kv_node roots[N_ROPE_FACTORS]; // of no block
    struct kv_node *oldest, *newest;      // parents are newer than their children
    struct kv_picture *pictures;          // [n_pictures]: those of all keys
    int n_pictures, cap_pictures;
};

void kv_pool_init(struct kv_pool *p, struct backend *backend, size_t budget_bytes);
/* No session may be left. */
void kv_pool_fini(struct kv_pool *p);

/* n blocks with one holder, or none; what is kept for nobody makes room. Error: MEMORY. */
int kv_pool_alloc(struct kv_pool *p, int n, int *ret_blocks, struct phi3v_error *err);
/* One holder more, one less. */
void kv_pool_hold(struct kv_pool *p, const int *blocks, int n);
void kv_pool_release(struct kv_pool *p, const int *blocks, int n);
/* Whether somebody beside `own` holders holds a block: then it is only read. */
bool kv_pool_shared(struct kv_pool *p, int block, int own);

/* How many of the first n positions of seq the tree has for the rope factors. ret_blocks: NULL,
 * or room for the blocks they lie in, which have one holder more then. */
size_t kv_pool_find(struct kv_pool *p, const struct sequence *seq, size_t n,
                    enum rope_factors rope_factors, int *ret_blocks);
/* The first n blocks of seq are computed. Where the tree has a block of the same positions already,
 * that one takes the place of the caller's. Without memory for it less is published. */
void kv_pool_publish(struct kv_pool *p, const struct sequence *seq, enum rope_factors rope_factors,
                     int *blocks, int n);

#endif
