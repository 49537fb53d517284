/* SPDX-License-Identifier: MIT */
#include "engine/feature_cache.h"

#include <string.h>

#include "base/mem.h"

struct feature_entry {
    struct feature_entry *next;
    char content_sha256[65];
    int num_crops;
    int n_users;
    struct features *features;
};

void feature_cache_init(struct feature_cache *c, const struct backend_table *table,
                        size_t budget_bytes)
{
    *c = (struct feature_cache){.table = table, .budget_bytes = budget_bytes};
    pthread_mutex_init(&c->lock, NULL);
}

/* Unlinks and frees the entry *link points at. */
static void remove_at(struct feature_cache *c, struct feature_entry **link)
{
    struct feature_entry *e = *link;
    *link = e->next;
    c->bytes -= c->table->features_bytes(e->features);
    c->table->features_free(e->features);
    mem_free(e);
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

/* Finds the entry of a picture, moves it to the front and counts one user more. */
static struct feature_entry *use(struct feature_cache *c, const struct slot *slot)
{
    for (struct feature_entry **link = &c->first; *link; link = &(*link)->next) {
        struct feature_entry *e = *link;
        if (e->num_crops != slot->num_crops ||
            strcmp(e->content_sha256, slot->image->info.content_sha256) != 0)
            continue;
        *link = e->next;
        e->next = c->first;
        c->first = e;
        e->n_users++;
        return e;
    }
    return NULL;
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
    struct feature_entry *fresh = mem_zalloc(sizeof *fresh);
    if (!fresh) {
        c->table->features_free(features);
        return err_memory(err, "a picture's features", sizeof *fresh);
    }
    *fresh =
        (struct feature_entry){.num_crops = slot->num_crops, .n_users = 1, .features = features};
    memcpy(fresh->content_sha256, slot->image->info.content_sha256, sizeof fresh->content_sha256);

    pthread_mutex_lock(&c->lock);
    struct feature_entry *older = use(c, slot);
    if (!older) {
        fresh->next = c->first;
        c->first = fresh;
        c->bytes += c->table->features_bytes(features);
        evict(c);
    }
    pthread_mutex_unlock(&c->lock);

    if (older) {
        c->table->features_free(features);
        mem_free(fresh);
    }
    *ret = older ? older : fresh;
    return 0;
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
