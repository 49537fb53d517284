/* SPDX-License-Identifier: MIT */
#include "base/env.h"

#include <stdlib.h>

#include "base/file.h"
#include "base/mem.h"

/* An empty variable counts as unset. */
static const char *get(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

const char *env_cpu(void) { return get("PHI3V_CPU"); }

const char *env_backend_dir(void) { return get("PHI3V_BACKEND_DIR"); }

long env_fail_alloc(void)
{
    const char *n = get("PHISCOPE_FAIL_ALLOC");
    return n ? strtol(n, NULL, 10) : 0;
}

/* A path in which ~ may stand for the home folder, where no shell has replaced it; a new string. */
static char *expanded(const char *path)
{
    const char *home = get("HOME");
    if (!home || path[0] != '~' || (path[1] && path[1] != '/')) return mem_strdup(path);
    return path[1] ? path_join(home, path + 2) : mem_strdup(home);
}

char *env_hub_cache(void)
{
    const char *dir;
    if ((dir = get("HF_HUB_CACHE")) || (dir = get("HUGGINGFACE_HUB_CACHE"))) return expanded(dir);
    if ((dir = get("HF_HOME"))) {
        CLEANUP(mem_free_ptr) char *home = expanded(dir);
        return home ? path_join(home, "hub") : NULL;
    }
    if ((dir = get("XDG_CACHE_HOME"))) return path_join(dir, "huggingface/hub");
    if ((dir = get("HOME"))) return path_join(dir, ".cache/huggingface/hub");
    return NULL;
}

const char *env_hub_endpoint(void) { return get("HF_ENDPOINT"); }

const char *env_home(void) { return get("HOME"); }
