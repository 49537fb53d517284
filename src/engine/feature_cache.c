/* SPDX-License-Identifier: MIT */
#include "engine/feature_cache.h"

#include <stdbool.h>
#include <string.h>

#include "base/mem.h"

struct feature_entry {
    struct feature_entry *next;
    char content_sha256[65];
    int num_crops;
    bool finished;
    int n_users;
    struct features *features;
};

void feature_cache_init(struct feature_cache *c, const struct backend_table *table,
                        size_t budget_bytes)
{
    *c = (struct feature_cache){.table = table, .budget_bytes = budget_bytes};
    pthread_mutex_init(&c->lock, NULL);
}

/* Unlinks and frees the entry *link points at, without its features. */
static void unlink_at(struct feature_cache *c, struct feature_entry **link)
{
    struct feature_entry *e = *link;
    *link = e->next;
    c->bytes -= c->table->features_bytes(e->features);
    mem_free(e);
}

static void remove_at(struct feature_cache *c, struct feature_entry **link)
{
    struct features *features = (*link)->features;
    unlink_at(c, link);
    c->table->features_free(features);
}

void feature_cache_fini(struct feature_cache *c)
{
    while (c->first) remove_at(c, &c->first);
    pthread_mutex_destroy(&c->lock);
}

/* The last unused entry is the one unused for longest. */
static void evict(struct feature_cache *c)
{
    while (c->bytes > c->budget_bytes) {
        struct feature_entry **oldest = NULL;
        for (struct feature_entry **link = &c->first; *link; link = &(*link)->next)
            if ((*link)->n_users == 0) oldest = link;
        if (!oldest) return;
        remove_at(c, oldest);
    }
}

/* The link to a picture's entry, finished or not; NULL when there is none. */
static struct feature_entry **find(struct feature_cache *c, const struct slot *slot, bool finished)
{
    for (struct feature_entry **link = &c->first; *link; link = &(*link)->next) {
        const struct feature_entry *e = *link;
        if (e->finished == finished && e->num_crops == slot->num_crops &&
            !strcmp(e->content_sha256, slot->image->info.content_sha256))
            return link;
    }
    return NULL;
}

/* An entry that is not yet in the list; NULL without memory. */
static struct feature_entry *entry_new(const struct slot *slot, struct features *features,
                                       bool finished)
{
    struct feature_entry *e = mem_zalloc(sizeof *e);
    if (!e) return NULL;
    *e = (struct feature_entry){
        .num_crops = slot->num_crops, .finished = finished, .features = features};
    memcpy(e->content_sha256, slot->image->info.content_sha256, sizeof e->content_sha256);
    return e;
}

static void insert(struct feature_cache *c, struct feature_entry *e)
{
    e->next = c->first;
    c->first = e;
    c->bytes += c->table->features_bytes(e->features);
    evict(c);
}

/* Finds a picture's entry, moves it to the front and counts one more user. */
static struct feature_entry *use(struct feature_cache *c, const struct slot *slot)
{
    struct feature_entry **link = find(c, slot, true);
    if (!link) return NULL;
    struct feature_entry *e = *link;
    *link = e->next;
    e->next = c->first;
    c->first = e;
    e->n_users++;
    return e;
}

struct feature_entry *feature_cache_get(struct feature_cache *c, const struct slot *slot)
{
    pthread_mutex_lock(&c->lock);
    struct feature_entry *e = use(c, slot);
    pthread_mutex_unlock(&c->lock);
    return e;
}

int feature_cache_put(struct feature_cache *c, const struct slot *slot, struct features *features,
                      struct feature_entry **ret, struct phi3v_error *err)
{
    struct feature_entry *fresh = entry_new(slot, features, true);
    if (!fresh) {
        c->table->features_free(features);
        return err_memory(err, "a picture's features", sizeof *fresh);
    }
    fresh->n_users = 1;

    pthread_mutex_lock(&c->lock);
    struct feature_entry *older = use(c, slot);
    if (!older) insert(c, fresh);
    pthread_mutex_unlock(&c->lock);

    if (older) {
        c->table->features_free(features);
        mem_free(fresh);
    }
    *ret = older ? older : fresh;
    return 0;
}

struct features *feature_cache_take_unfinished(struct feature_cache *c, const struct slot *slot)
{
    struct features *features = NULL;
    pthread_mutex_lock(&c->lock);
    struct feature_entry **link = find(c, slot, false);
    if (link) {
        features = (*link)->features;
        unlink_at(c, link);
    }
    pthread_mutex_unlock(&c->lock);
    return features;
}

void feature_cache_put_unfinished(struct feature_cache *c, const struct slot *slot,
                                  struct features *features)
{
    int (*done)(const struct features *f) = c->table->features_done;
    struct feature_entry *fresh = done(features) > 0 ? entry_new(slot, features, false) : NULL;
    pthread_mutex_lock(&c->lock);
    struct feature_entry **other = fresh ? find(c, slot, false) : NULL;
    if (other && done((*other)->features) < done(features)) {
        remove_at(c, other);
        other = NULL;
    }
    if (fresh && !other) insert(c, fresh);
    pthread_mutex_unlock(&c->lock);
    if (fresh && !other) return;
    c->table->features_free(features);
    mem_free(fresh);
}

void feature_cache_release(struct feature_cache *c, struct feature_entry *e)
{
    if (!e) return;
    pthread_mutex_lock(&c->lock);
    e->n_users--;
    evict(c);
    pthread_mutex_unlock(&c->lock);
}

const struct features *feature_entry_features(const struct feature_entry *e) { return e->features; }
