/* SPDX-License-Identifier: MIT
 * Models in the local cache of the Hugging Face hub: HUB/models--ORG--NAME with refs/REV (a
 * commit), snapshots/COMMIT/FILE (links) and blobs. */
#ifndef WEIGHTS_HUB_CACHE_H
#define WEIGHTS_HUB_CACHE_H

#include "base/err.h"
#include "weights/hub_name.h"

struct buf;
struct near;

/* The snapshot of a model with every file that opening needs. Case may differ if the name is still
 * unambiguous. *ret_path (mem_free) stays NULL when the cache does not know the model. `what` is
 * the name in messages. Errors: MODEL (no such revision, partly downloaded), IO, MEMORY. */
int hub_cache_find(const char *what, const struct hub_name *h, const char *hub, char **ret_path,
                   struct phi3v_error *err);
/* The same for a path in the cache: a model's folder, or something in it. *ret_path stays NULL when
 * `dir` is neither. */
int hub_cache_folder(const char *dir, char **ret_path, struct phi3v_error *err);
/* Calls fn with the name and the folder of each model in the cache, in order of names, until it
 * returns non-zero, which is then returned. Error MEMORY. */
typedef int (*hub_cache_fn)(const struct hub_name *h, const char *repo, void *user);
int hub_cache_each(const char *hub, hub_cache_fn fn, void *user);
/* A model's snapshot, complete or not: that of main, or the only one. *ret_path (mem_free) is NULL
 * when there is none. Error MEMORY. */
int hub_cache_snapshot(const char *repo, char **ret_path);
/* Appends the names of files that opening needs and that `dir` lacks; false without memory. */
bool hub_cache_missing(const char *dir, struct buf *missing);

#endif
