/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "net/error.h"
#include "net/hub.h"

#define MAX_TOKEN_BYTES 4096

static const char *variable(const char *name)
{
    const char *value = getenv(name);
    return value && *value ? value : NULL;
}

static bool is_on(const char *name)
{
    static const char *const yes[] = {"1", "on", "yes", "true"};
    const char *value = variable(name);
    for (size_t i = 0; value && i < sizeof yes / sizeof *yes; i++)
        if (!strcasecmp(value, yes[i])) return true;
    return false;
}

/* Strips blanks and line ends around the text; a token may contain neither, nor anything else that
 * would end its header. NULL: nothing is left, or it is no token. */
static char *stripped(const char *s)
{
    s += strspn(s, " \t\r\n");
    size_t n = strcspn(s, " \t\r\n");
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)s[i] < 0x21 || (unsigned char)s[i] > 0x7E) return NULL;
    return n ? strndup(s, n) : NULL;
}

/* A path of the environment, in which ~ may stand for the home folder where no shell has replaced
 * it; the library reads it in the same way (src/base/env). */
static char *expanded(const char *path)
{
    const char *home = variable("HOME");
    if (home && path[0] == '~' && (path[1] == '/' || !path[1]))
        return text_format("%s%s", home, path + 1);
    return strdup(path);
}

/* $HF_HOME, by default in the user's cache. New string; NULL: there is no home directory either. */
static char *hf_home(void)
{
    const char *home = variable("HF_HOME"), *cache = variable("XDG_CACHE_HOME");
    if (home) return expanded(home);
    if (cache) return text_format("%s/huggingface", cache);
    return variable("HOME") ? text_format("%s/.cache/huggingface", variable("HOME")) : NULL;
}

static int read_token(const char *path, char **ret, struct phi3v_error *err)
{
    char text[MAX_TOKEN_BYTES];
    FILE *f = fopen(path, "re");
    if (!f && (errno == ENOENT || errno == ENOTDIR)) return 0;
    if (!f)
        return refuse(err, PHI3V_E_IO, "cannot read the hub's token in %.300s: %s", path,
                      strerror(errno));
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    *ret = stripped(text);
    return 0;
}

static int find_token(const char *home, struct hub_env *ret, struct phi3v_error *err)
{
    const char *token = variable("HF_TOKEN"), *path = variable("HF_TOKEN_PATH");
    if (is_on("HF_HUB_DISABLE_IMPLICIT_TOKEN")) return 0;
    if (!token) token = variable("HUGGING_FACE_HUB_TOKEN");
    if (token) {
        ret->token = stripped(token);
        return 0;
    }
    if (!path && !home) return 0;
    char *own = path ? expanded(path) : text_format("%s/token", home);
    int rc = own ? read_token(own, &ret->token, err) : net_fail_memory(err, "the hub's token");
    free(own);
    return rc;
}

static char *find_cache(const char *home)
{
    const char *cache = variable("HF_HUB_CACHE");
    if (!cache) cache = variable("HUGGINGFACE_HUB_CACHE");
    if (cache) return expanded(cache);
    return home ? text_format("%s/hub", home) : NULL;
}

int hub_env_init(struct hub_env *ret, struct phi3v_error *err)
{
    const char *endpoint = variable("HF_ENDPOINT"), *meta = variable("HF_HUB_ETAG_TIMEOUT");
    struct hub_env env = {.offline = is_on("HF_HUB_OFFLINE") || is_on("TRANSFORMERS_OFFLINE"),
                          .meta_s = meta && atof(meta) > 0 ? atof(meta) : 10,
                          .stall_s = 30,
                          .stall_bytes_s = 50000,
                          .backoff_s = 1,
                          .n_connections = 8,
                          .segment_bytes = (int64_t)32 << 20};
    char *home = hf_home();
    env.endpoint = strdup(endpoint ? endpoint : "https://huggingface.co");
    env.cache = find_cache(home);
    int rc = find_token(home, &env, err);
    for (size_t n = env.endpoint ? strlen(env.endpoint) : 0; n > 0 && env.endpoint[n - 1] == '/';)
        env.endpoint[--n] = 0;
    if (rc == 0 && !env.endpoint) rc = net_fail_memory(err, "a model");
    if (rc == 0 && !env.cache)
        rc = refuse(err, PHI3V_E_ARGUMENT, "there is no home folder for models: HF_HOME names one");
    free(home);
    if (rc == 0)
        *ret = env;
    else
        hub_env_fini(&env);
    return rc;
}

void hub_env_fini(struct hub_env *env)
{
    free(env->endpoint);
    free(env->token);
    free(env->cache);
    *env = (struct hub_env){0};
}
