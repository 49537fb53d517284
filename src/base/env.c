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

char *env_hub_cache(void)
{
    const char *dir;
    if ((dir = get("HF_HUB_CACHE")) || (dir = get("HUGGINGFACE_HUB_CACHE"))) return mem_strdup(dir);
    if ((dir = get("HF_HOME"))) return path_join(dir, "hub");
    if ((dir = get("XDG_CACHE_HOME"))) return path_join(dir, "huggingface/hub");
    if ((dir = get("HOME"))) return path_join(dir, ".cache/huggingface/hub");
    return NULL;
}

const char *env_hub_endpoint(void) { return get("HF_ENDPOINT"); }

const char *env_home(void) { return get("HOME"); }
