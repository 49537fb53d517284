/* SPDX-License-Identifier: MIT
 * An open model: its files, its configuration, the device that runs it, and its caches. Read-only
 * after opening, except for the feature cache and the block pool, which have their own locks. */
#ifndef ENGINE_MODEL_H
#define ENGINE_MODEL_H

#include "backend/backend.h"
#include "base/buf.h"
#include "engine/feature_cache.h"
#include "engine/kv_pool.h"
#include "text/tokenizer.h"

struct pool;

struct phi3v_model {
    struct phi3v_model_info info;
    struct config config;
    struct tokenizer *tokenizer; // NULL for synthetic weights
    struct weights *weights;     // NULL for synthetic weights
    struct model_weights bound;
    struct pool *pool;
    struct backend *backend;
    struct feature_cache features;
    struct kv_pool kv;
    char *path, *name;
    struct buf note;
    pthread_mutex_t digest_lock; // guards tower_sha256
    char tower_sha256[65];       // "" until feature_file.c has computed it
};

int model_open(const char *path, const struct phi3v_model_options *opt, struct phi3v_model **ret,
               struct phi3v_error *err);
void model_close(struct phi3v_model *m);
/* The rope factors for a sequence of n tokens. */
enum rope_factors model_rope_factors(const struct phi3v_model *m, size_t n);
/* The tokenizer, or error UNSUPPORTED for a model without one. */
int model_tokenizer(const struct phi3v_model *m, const struct tokenizer **ret,
                    struct phi3v_error *err);
/* Calls back for every device of this build. */
int model_devices(phi3v_device_fn fn, void *user);

#endif
