/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include "verbs/model_choice.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/files.h"
#include "common/must.h"
#include "verbs/pull.h"

const char *model_choice_name(const struct options *opt)
{
    const char *name = opt->model && *opt->model ? opt->model : getenv("PHISCOPE_MODEL");
    return name && *name ? name : NULL;
}

char *model_choice_engine(const struct options *opt)
{
    if (!opt->connect) return model_choice_name(opt) ? xstrdup(model_choice_name(opt)) : NULL;
    return xasprintf("%s%s%s", opt->connect, opt->model ? "#" : "", opt->model ? opt->model : "");
}

int model_choice_open(const struct options *opt, struct notebook *nb, struct phi3v_error *err)
{
    int rc = pull_offer(opt, err);
    char *name = model_choice_engine(opt);
    if (!rc) rc = nb_open_model(nb, name, err);
    free(name);
    return rc;
}

int model_choice_api_key(const struct options *opt, char **ret, struct phi3v_error *err)
{
    enum { MAX_KEY_BYTES = 4096 };
    const char *said = getenv("PHISCOPE_API_KEY");
    size_t n;
    *ret = NULL;
    if (!opt->api_key_file) {
        if (said && *said) *ret = xstrdup(said);
        return 0;
    }
    int rc = load_file(opt->api_key_file, MAX_KEY_BYTES, ret, &n, err);
    while (!rc && n > 0 && strchr(" \t\r\n", (*ret)[n - 1])) (*ret)[--n] = 0;
    return rc;
}

enum { MAX_DIRS = 3 };

/* Finds the folders of models relative to the program, which is build/repl/phiscope in the source
 * tree and PREFIX/bin/phiscope when installed. */
static int find_dirs(const char **dirs)
{
    static const char *const from_exe[] = {"../../models", "../share/phiscope/models"};
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    int found = 0;
    if (n > 0) {
        exe[n] = 0;
        char *slash = strrchr(exe, '/');
        if (slash) *slash = 0;
        for (int i = 0; i < 2; i++) {
            char *dir = xasprintf("%s/%s", exe, from_exe[i]);
            dirs[found] = realpath(dir, NULL);
            found += dirs[found] != NULL;
            free(dir);
        }
    }
    if (!access(PHISCOPE_MODELS_DIR, F_OK)) dirs[found++] = PHISCOPE_MODELS_DIR;
    return found;
}

const char *const *model_choice_dirs(void)
{
    static const char *dirs[MAX_DIRS + 1];
    if (!dirs[0]) dirs[find_dirs(dirs)] = NULL;
    return dirs;
}
