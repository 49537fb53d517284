/* SPDX-License-Identifier: MIT
 * The features of encoded pictures, found by content digest and num_crops, for all sessions of a
 * model. Entries that no session uses are evicted beyond a budget, least recently used first. A
 * cancelled call leaves its unfinished features here for the next one. */
#ifndef ENGINE_FEATURE_CACHE_H
#define ENGINE_FEATURE_CACHE_H

#include <pthread.h>

#include "backend/backend.h"
#include "engine/picture.h"

struct feature_entry;

struct feature_cache { // thread-safe
    pthread_mutex_t lock;
    const struct backend_table *table;
    struct feature_entry *first; // most recently used first
    size_t bytes, budget_bytes;
};

void feature_cache_init(struct feature_cache *c, const struct backend_table *table,
                        size_t budget_bytes);
/* No entry may be in use. */
void feature_cache_fini(struct feature_cache *c);
/* Finds an entry and marks it as used; NULL when there is none. */
struct feature_entry *feature_cache_get(struct feature_cache *c, const struct slot *slot);
/* Takes features (also on failure) and returns an entry marked as used. When another session put
 * the same picture first, that is its entry. Error: MEMORY. */
int feature_cache_put(struct feature_cache *c, const struct slot *slot, struct features *features,
                      struct feature_entry **ret, struct phi3v_error *err);
/* Hands the picture's unfinished features over to the caller; NULL when there are none. */
struct features *feature_cache_take_unfinished(struct feature_cache *c, const struct slot *slot);
/* Takes unfinished features, and keeps them unless the cache has more of the picture. */
void feature_cache_put_unfinished(struct feature_cache *c, const struct slot *slot,
                                  struct features *features);
void feature_cache_release(struct feature_cache *c, struct feature_entry *e); /* NULL is harmless */
const struct features *feature_entry_features(const struct feature_entry *e);

#endif
