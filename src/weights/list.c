/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "weights/list.h"

#include <dirent.h>
#include <fnmatch.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/env.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"
#include "weights/hub_cache.h"

struct lister {
    phi3v_found_fn fn;
    void *user;
};

static int not_hidden(const struct dirent *e) { return e->d_name[0] != '.'; }

/* -- Sizes ------------------------------------------------------------------------------------- */

static bool is_part(const char *name)
{
    return fnmatch("*.incomplete", name, 0) == 0 || fnmatch("*.phiscope-part", name, 0) == 0;
}

/* The bytes of the files in a folder, following links; counts unfinished downloads separately. */
static int64_t folder_bytes(const char *dir, int *n_parts)
{
    struct dirent **list;
    int64_t bytes = 0;
    int n = scandir(dir, &list, not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        CLEANUP(mem_free_ptr) char *path = path_join(dir, list[i]->d_name);
        struct stat st;
        if (is_part(list[i]->d_name)) ++*n_parts;
        if (path && stat(path, &st) == 0 && S_ISREG(st.st_mode)) bytes += st.st_size;
        free(list[i]);
    }
    if (n >= 0) free(list);
    return bytes;
}

/* model_type, "?" for a config.json that cannot be read; false when there is none. */
static bool read_kind(const char *dir, char kind[64])
{
    CLEANUP(mem_free_ptr) char *path = path_join(dir, "config.json");
    json_t *root = NULL;
    if (!path || !file_exists(path)) return false;
    const char *type = NULL;
    if (json_file_load(path, &root, NULL) == 0)
        type = json_string_value(json_object_get(root, "model_type"));
    snprintf(kind, 64, "%.63s", type ? type : "?");
    json_decref(root);
    return true;
}

/* Fills in what the folder shows, and hands out the model. */
static int hand_out(const struct lister *l, struct phi3v_found *found)
{
    char kind[64];
    struct buf missing = {0};
    if (found->path && read_kind(found->path, kind)) found->kind = kind;
    int code = 0;
    if (found->path && !hub_cache_missing(found->path, &missing)) code = PHI3V_E_MEMORY;
    found->missing = found->path ? missing.data : "everything";
    if (!code) code = l->fn(found, l->user);
    buf_fini(&missing);
    return code;
}

/* -- Folders ----------------------------------------------------------------------------------- */

static int list_folders(const struct lister *l, const char *dir)
{
    struct dirent **list;
    int n = scandir(dir, &list, not_hidden, alphasort), code = 0;
    for (int i = 0; i < n; i++) {
        CLEANUP(mem_free_ptr) char *path = path_join(dir, list[i]->d_name);
        CLEANUP(mem_free_ptr) char *config = path ? path_join(path, "config.json") : NULL;
        if (!code && !config) code = PHI3V_E_MEMORY;
        if (!code && file_exists(config)) {
            struct phi3v_found found = {.name = list[i]->d_name, .path = path, .folder = path};
            found.bytes = folder_bytes(path, &found.n_parts);
            code = hand_out(l, &found);
        }
        free(list[i]);
    }
    if (n >= 0) free(list);
    return code;
}

/* -- The cache --------------------------------------------------------------------------------- */

static int list_repo(const struct hub_name *h, const char *repo, void *user)
{
    const struct lister *l = user;
    char name[2 * HUB_PART];
    snprintf(name, sizeof name, "%s/%s", h->org, h->name);
    CLEANUP(mem_free_ptr) char *blobs = path_join(repo, "blobs");
    CLEANUP(mem_free_ptr) char *path = NULL;
    if (!blobs || hub_cache_snapshot(repo, &path)) return PHI3V_E_MEMORY;
    struct phi3v_found found = {.name = name, .path = path, .folder = repo, .in_cache = 1};
    found.bytes = folder_bytes(blobs, &found.n_parts);
    return hand_out(l, &found);
}

int models_list(const char *const *models_dirs, phi3v_found_fn fn, void *user)
{
    struct lister l = {fn, user};
    int code = 0;
    for (; models_dirs && *models_dirs && !code; models_dirs++)
        code = list_folders(&l, *models_dirs);
    CLEANUP(mem_free_ptr) char *hub = env_hub_cache();
    if (!code && hub) code = hub_cache_each(hub, list_repo, &l);
    return code;
}
