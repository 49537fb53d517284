/* SPDX-License-Identifier: MIT
 * A model's blocks of keys and values: who holds each, and the prefix tree that finds them again. A
 * session publishes its full blocks. From then on they are read-only, and any session whose
 * sequence begins with the same tokens can hold them too. Blocks that no session holds are kept
 * within a budget; the least recently used go first. */
#ifndef ENGINE_KV_POOL_H
#define ENGINE_KV_POOL_H

#include <pthread.h>

#include "backend/backend.h"
#include "engine/sequence.h"

enum { N_ROPE_FACTORS = 2 };

/* A published block: the KV_BLOCK positions that follow those of its parents. */
struct kv_node {
    struct kv_node *parent, *first_child, *sibling;
    struct kv_node *older, *newer; // by use
    int block;
    int64_t key[KV_BLOCK]; // one position_key each
};

struct kv_picture { // what decides a slot's rows
    char content_sha256[65];
    int num_crops;
};

struct kv_pool { // thread-safe
    pthread_mutex_t lock;
    struct backend *backend;
    struct kv_block {
        int holders;          // sessions, plus 1 for the tree; 0: not in use
        struct kv_node *node; // NULL: not published
    } * blocks;               // [cap] by id
    int cap;
    int64_t n_idle, most_idle;            // blocks that only the tree holds
    struct kv_node roots[N_ROPE_FACTORS]; // have no block
    struct kv_node *oldest, *newest;      // parents are newer than their children
    struct kv_picture *pictures;          // [n_pictures] that keys refer to by number
    int n_pictures, cap_pictures;
};

void kv_pool_init(struct kv_pool *p, struct backend *backend, size_t budget_bytes);
/* No session may be left. */
void kv_pool_fini(struct kv_pool *p);

/* Gives n blocks with one holder, evicting idle ones as needed. All or none. Error: MEMORY. */
int kv_pool_alloc(struct kv_pool *p, int n, int *ret_blocks, struct phi3v_error *err);
/* Adds a holder to the blocks, or takes one away. */
void kv_pool_hold(struct kv_pool *p, const int *blocks, int n);
void kv_pool_release(struct kv_pool *p, const int *blocks, int n);
/* Whether a block has more than `own` holders, which makes it read-only. */
bool kv_pool_shared(struct kv_pool *p, int block, int own);

/* How many of the first n positions of seq the tree has for the rope factors. ret_blocks, if not
 * NULL, receives the blocks they lie in, each with a holder added. */
size_t kv_pool_find(struct kv_pool *p, const struct sequence *seq, size_t n,
                    enum rope_factors rope_factors, int *ret_blocks);
/* Publishes the first n blocks of seq. When the tree already has a block of the same positions,
 * that one replaces the caller's. With too little memory fewer are published. */
void kv_pool_publish(struct kv_pool *p, const struct sequence *seq, enum rope_factors rope_factors,
                     int *blocks, int n);

#endif
