/* SPDX-License-Identifier: MIT */
#include "weights/find.h"

#include <ctype.h>
#include <jansson.h>
#include <stdbool.h>
#include <string.h>

#include "base/buf.h"
#include "base/env.h"
#include "base/file.h"
#include "base/json.h"
#include "base/mem.h"

enum { REF_MAX_BYTES = 4096 };

static int no_memory(struct phi3v_error *err) { return err_memory(err, "a path", 4096); }

/* *ret: does dir/name exist; false without memory. */
static bool has_file(const char *dir, const char *name, bool *ret)
{
    CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
    if (path) *ret = file_exists(path);
    return path != NULL;
}

/* -- Short names ------------------------------------------------------------------------------- */

/* Letters, digits, '.', '_', '-', not beginning with '.'. */
static bool is_plain_name(const char *s, size_t n)
{
    if (n == 0 || n > 128 || s[0] == '.') return false;
    for (size_t i = 0; i < n; i++)
        if (!isalnum((unsigned char)s[i]) && !strchr("._-", s[i])) return false;
    return true;
}

/* Sets *ret_path when a models folder has it. */
static int find_short(const char *name, const char *const *models_dirs, char **ret_path,
                      struct phi3v_error *err)
{
    for (; models_dirs && *models_dirs; models_dirs++) {
        char *path = path_join(*models_dirs, name);
        bool found = false;
        if (!path || !has_file(path, "config.json", &found)) {
            mem_free(path);
            return no_memory(err);
        }
        if (found) {
            *ret_path = path;
            return 0;
        }
        mem_free(path);
    }
    return 0;
}

/* -- The Hugging Face cache -------------------------------------------------------------------- */

struct hub_name {
    const char *org, *name, *rev;
    size_t n_org, n_name;
};

/* A revision may hold '/', but no empty, "." or ".." part. */
static bool is_revision(const char *s)
{
    size_t n = 0;
    do {
        s += n + (n > 0);
        n = strcspn(s, "/");
        if (!is_plain_name(s, n)) return false;
    } while (s[n]);
    return true;
}

static bool parse_hub_name(const char *s, struct hub_name *ret)
{
    const char *slash = strchr(s, '/'), *at = strchr(s, '@');
    if (!slash || (at && at < slash)) return false;
    const char *end = at ? at : s + strlen(s);
    *ret = (struct hub_name){.org = s,
                             .n_org = (size_t)(slash - s),
                             .name = slash + 1,
                             .n_name = (size_t)(end - slash - 1),
                             .rev = at ? at + 1 : "main"};
    return is_plain_name(ret->org, ret->n_org) && is_plain_name(ret->name, ret->n_name) &&
           is_revision(ret->rev);
}

static bool is_commit(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)s[i])) return false;
    return n == 40;
}

/* The 40 hex digits a revision stands for. */
static int read_commit(const char *repo, const struct hub_name *h, char ret_commit[41],
                       struct phi3v_error *err)
{
    if (is_commit(h->rev, strlen(h->rev))) {
        memcpy(ret_commit, h->rev, 41);
        return 0;
    }
    CLEANUP(mem_free_ptr) char *refs = path_join(repo, "refs");
    CLEANUP(mem_free_ptr) char *path = refs ? path_join(refs, h->rev) : NULL;
    CLEANUP(mem_free_ptr) char *text = NULL;
    size_t n = 0;
    if (!path) return no_memory(err);
    if (!file_exists(path))
        return err_set(err, PHI3V_E_MODEL,
                       "revision %s of %.*s/%.*s is not in the local cache (%s)", h->rev,
                       (int)h->n_org, h->org, (int)h->n_name, h->name, repo);
    int code = file_read(path, REF_MAX_BYTES, &text, &n, err);
    if (code) return code;
    while (n > 0 && isspace((unsigned char)text[n - 1])) n--;
    if (!is_commit(text, n))
        return err_set(err, PHI3V_E_MODEL, "%s does not hold a commit of 40 hex digits", path);
    memcpy(ret_commit, text, 40);
    ret_commit[40] = 0;
    return 0;
}

/* Appends the name to the list of missing files when dir lacks it. */
static bool note_missing(const char *dir, const char *name, struct buf *missing)
{
    bool found = false;
    if (!has_file(dir, name, &found)) return false;
    if (!found && missing->n < 300) buf_printf(missing, "%s%s", missing->n ? ", " : "", name);
    return !missing->failed;
}

/* Shards of the index that are not there; a damaged index is reported by whoever opens it. */
static bool note_missing_shards(const char *dir, const char *index, struct buf *missing)
{
    CLEANUP(mem_free_ptr) char *path = path_join(dir, index);
    json_t *root = NULL;
    if (!path) return false;
    if (json_file_load(path, &root, NULL) != 0) return true;
    const char *last = "", *key;
    json_t *value;
    bool ok = true;
    json_object_foreach(json_object_get(root, "weight_map"), key, value)
    {
        const char *name = json_string_value(value);
        if (!name || strchr(name, '/') || strcmp(name, last) == 0) continue;
        last = name;
        if (missing->data && strstr(missing->data, name)) continue;
        if (!(ok = note_missing(dir, name, missing))) break;
    }
    json_decref(root);
    return ok;
}

static bool note_missing_files(const char *dir, struct buf *missing)
{
    const char *index = "model.safetensors.index.json";
    bool has_single = false, has_index = false, has_processor = false;
    if (!note_missing(dir, "config.json", missing)) return false;
    if (!has_file(dir, "processor_config.json", &has_processor)) return false;
    if (!has_processor && !note_missing(dir, "preprocessor_config.json", missing)) return false;
    if (!note_missing(dir, "tokenizer.json", missing)) return false;
    if (!has_file(dir, "model.safetensors", &has_single) || !has_file(dir, index, &has_index))
        return false;
    if (has_single) return true;
    if (has_index) return note_missing_shards(dir, index, missing);
    buf_printf(missing, "%smodel.safetensors", missing->n ? ", " : "");
    return !missing->failed;
}

/* The snapshot's folder, with every file that opening needs. */
static int check_snapshot(const char *what, char *dir, char **ret_path, struct phi3v_error *err)
{
    struct buf missing = {0};
    int code = 0;
    if (!file_is_dir(dir))
        code = err_set(err, PHI3V_E_MODEL, "%s is not in the local cache: there is no folder %s",
                       what, dir);
    else if (!note_missing_files(dir, &missing))
        code = no_memory(err);
    else if (missing.n)
        code = err_set(err, PHI3V_E_MODEL, "%s is only partly downloaded: %s lacks %s", what, dir,
                       missing.data);
    buf_fini(&missing);
    if (code)
        mem_free(dir);
    else
        *ret_path = dir;
    return code;
}

/* HUB/models--ORG--NAME/snapshots/COMMIT. *ret_path stays NULL when the cache does not know
 * org/name at all. */
static int find_in_cache(const char *what, const struct hub_name *h, const char *hub,
                         char **ret_path, struct phi3v_error *err)
{
    struct buf repo = {0}, dir = {0};
    char commit[41];
    buf_printf(&repo, "%s/models--%.*s--%.*s", hub, (int)h->n_org, h->org, (int)h->n_name, h->name);
    int code = repo.failed ? no_memory(err) : 0;
    if (!code && file_is_dir(repo.data)) {
        code = read_commit(repo.data, h, commit, err);
        if (!code) {
            buf_printf(&dir, "%s/snapshots/%s", repo.data, commit);
            char *path = buf_take(&dir);
            code = path ? check_snapshot(what, path, ret_path, err) : no_memory(err);
        }
    }
    buf_fini(&repo);
    return code;
}

/* -- Public ------------------------------------------------------------------------------------ */

/* Nothing found: what was tried. */
static int not_found(const char *name, const char *const *models_dirs, const char *hub,
                     bool is_hub_name, struct phi3v_error *err)
{
    struct buf tried = {0};
    if (file_is_dir(name))
        buf_printf(&tried, "%s is a folder without config.json", name);
    else
        buf_printf(&tried, "there is no folder %s", name);
    for (; models_dirs && *models_dirs && !strchr(name, '/'); models_dirs++)
        buf_printf(&tried, ", no %s in %s", name, *models_dirs);
    if (is_hub_name && hub)
        buf_printf(&tried, ", and no such model in the cache %s", hub);
    else if (is_hub_name)
        buf_puts(&tried, ", and no cache folder is known");
    int code = tried.failed ? no_memory(err)
                            : err_set(err, PHI3V_E_MODEL, "no model \"%s\": %s", name, tried.data);
    buf_fini(&tried);
    return code;
}

int model_find(const char *name, const char *const *models_dirs, char **ret_path,
               struct phi3v_error *err)
{
    if (!*name) return err_set(err, PHI3V_E_MODEL, "the name of the model is empty");
    bool is_folder = false;
    if (!has_file(name, "config.json", &is_folder)) return no_memory(err);
    char *path = NULL;
    if (is_folder) {
        if (!(path = mem_strdup(name))) return no_memory(err);
        *ret_path = path;
        return 0;
    }
    int code = is_plain_name(name, strlen(name)) ? find_short(name, models_dirs, &path, err) : 0;
    struct hub_name h;
    bool is_hub_name = parse_hub_name(name, &h);
    CLEANUP(mem_free_ptr) char *hub = is_hub_name ? env_hub_cache() : NULL;
    if (!code && !path && hub) code = find_in_cache(name, &h, hub, &path, err);
    if (!code && !path) code = not_found(name, models_dirs, hub, is_hub_name, err);
    if (!code) *ret_path = path;
    return code;
}
