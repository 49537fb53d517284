/* SPDX-License-Identifier: MIT
 * The cache of models on disk, in the layout of Python's huggingface_hub:
 *   CACHE/models--ORG--NAME/blobs/KEY            the bytes (may be a link into CACHE/blobs)
 *                          /snapshots/COMMIT/FILE  a relative link to a blob
 *                          /refs/REV             the commit, without a line end
 *   CACHE/.locks/models--ORG--NAME/KEY.lock      flock around a download
 *   CACHE/models--ORG--NAME/.phiscope-COMMIT[.ref]  a snapshot and a revision in the making
 * Nothing in it is ever written in place: new names are made and renamed. */
#ifndef NET_HUB_CACHE_H
#define NET_HUB_CACHE_H

#include "net/hub_list.h"

struct hub_cache {
    char *root;  /* CACHE */
    char *repo;  /* CACHE/models--ORG--NAME */
    char *locks; /* CACHE/.locks/models--ORG--NAME */
};

int hub_cache_init(struct hub_cache *c, const struct hub_env *env, const struct hub_name *name,
                   struct phi3v_error *err);
void hub_cache_fini(struct hub_cache *c);
/* Creates the folders. Errors: IO, MEMORY. */
int hub_cache_make(const struct hub_cache *c, struct phi3v_error *err);

/* repo/blobs/KEY with an ending; new string (free). */
char *hub_blob_path(const struct hub_cache *c, const char *key, const char *ending);
/* Whether the blob exists with that size, following links. */
bool hub_has_blob(const struct hub_cache *c, const struct hub_file *file);

/* Tries to take a blob's lock. Returns its descriptor, to be closed; -1 and errno EWOULDBLOCK when
 * another program has it. */
int hub_try_lock(const struct hub_cache *c, const char *key);

/* Links all files of a listing, whose blobs exist, into the snapshot, and points the revision to
 * it. A new snapshot appears at once with all its files. *ret_path: its folder (free). */
int hub_publish(const struct hub_cache *c, const struct hub_name *name, const struct hub_listing *l,
                char **ret_path, struct phi3v_error *err);

/* Bytes of disk free for us at path; -1: unknown. */
int64_t hub_free_bytes(const char *path);

#endif
