/* SPDX-License-Identifier: MIT
 * The features of pictures already encoded, by content digest and num_crops, shared by all sessions
 * of a model. What is in use stays; what is not is evicted, least recently used first, beyond a
 * budget of bytes. Features that a cancelled call left unfinished wait here for the next one. */
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
/* Takes an entry into use; NULL when there is none. */
struct feature_entry *feature_cache_get(struct feature_cache *c, const struct slot *slot);
/* Takes features (also on failure) and gives an entry in use: an older one for the same picture
 * when another session was faster. Error: MEMORY. */
int feature_cache_put(struct feature_cache *c, const struct slot *slot, struct features *features,
                      struct feature_entry **ret, struct phi3v_error *err);
/* Unfinished features of the picture, which are the caller's now; NULL when there are none. */
struct features *feature_cache_take_unfinished(struct feature_cache *c, const struct slot *slot);
/* Takes unfinished features, and keeps them unless others are further on. */
void feature_cache_put_unfinished(struct feature_cache *c, const struct slot *slot,
                                  struct features *features);
void feature_cache_release(struct feature_cache *c, struct feature_entry *e); /* NULL is harmless */
const struct features *feature_entry_features(const struct feature_entry *e);

#endif
