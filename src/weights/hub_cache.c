/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "weights/hub_cache.h"

#include <ctype.h>
#include <dirent.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
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

/* -- Commits ----------------------------------------------------------------------------------- */

static bool is_commit(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)s[i])) return false;
    return n == 40;
}

/* The 40 hex digits a revision stands for. */
static int read_commit(const char *what, const char *repo, const char *rev, char ret_commit[41],
                       struct phi3v_error *err)
{
    if (is_commit(rev, strlen(rev))) {
        memcpy(ret_commit, rev, 41);
        return 0;
    }
    CLEANUP(mem_free_ptr) char *refs = path_join(repo, "refs");
    CLEANUP(mem_free_ptr) char *path = refs ? path_join(refs, rev) : NULL;
    CLEANUP(mem_free_ptr) char *text = NULL;
    size_t n = 0;
    if (!path) return no_memory(err);
    if (!file_exists(path))
        return err_set(err, PHI3V_E_MODEL, "revision %s of %s is not in the local cache (%s)", rev,
                       what, repo);
    int code = file_read(path, REF_MAX_BYTES, &text, &n, err);
    if (code) return code;
    while (n > 0 && isspace((unsigned char)text[n - 1])) n--;
    if (!is_commit(text, n))
        return err_set(err, PHI3V_E_MODEL, "%s does not hold a commit of 40 hex digits", path);
    memcpy(ret_commit, text, 40);
    ret_commit[40] = 0;
    return 0;
}

/* -- What a snapshot lacks --------------------------------------------------------------------- */

/* Appends the name to the list of missing files when dir lacks it. */
static bool note_missing(const char *dir, const char *name, struct buf *missing)
{
    bool found = false;
    if (!has_file(dir, name, &found)) return false;
    if (!found && missing->n < 300) buf_printf(missing, "%s%s", missing->n ? ", " : "", name);
    return !missing->failed;
}

/* Notes missing shards of the index; a damaged index is reported when it is opened. */
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

bool hub_cache_missing(const char *dir, struct buf *missing)
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

/* Takes `dir`, a snapshot, and returns it if it has every file that opening needs. */
static int check_snapshot(const char *what, char *dir, char **ret_path, struct phi3v_error *err)
{
    struct buf missing = {0};
    int code = 0;
    if (!file_is_dir(dir))
        code = err_set(err, PHI3V_E_MODEL, "%s is not in the local cache: there is no folder %s",
                       what, dir);
    else if (!hub_cache_missing(dir, &missing))
        code = no_memory(err);
    else if (missing.n)
        code = err_set(err, PHI3V_E_MODEL,
                       "%s is only partly downloaded: %s lacks %s; phiscope pull fetches the rest",
                       what, dir, missing.data);
    buf_fini(&missing);
    if (code)
        mem_free(dir);
    else
        *ret_path = dir;
    return code;
}

static int open_snapshot(const char *what, const char *repo, const char *commit, char **ret_path,
                         struct phi3v_error *err)
{
    struct buf dir = {0};
    buf_printf(&dir, "%s/snapshots/%s", repo, commit);
    char *path = buf_take(&dir);
    return path ? check_snapshot(what, path, ret_path, err) : no_memory(err);
}

/* -- By name ----------------------------------------------------------------------------------- */

static int not_hidden(const struct dirent *e) { return e->d_name[0] != '.'; }

int hub_cache_each(const char *hub, hub_cache_fn fn, void *user)
{
    struct dirent **list;
    int n = scandir(hub, &list, not_hidden, alphasort), rc = 0;
    for (int i = 0; i < n; i++) {
        struct hub_name h;
        if (!rc && strncmp(list[i]->d_name, "models--", 8) == 0 &&
            hub_parse(list[i]->d_name, &h) == HUB_MODEL) {
            CLEANUP(mem_free_ptr) char *repo = path_join(hub, list[i]->d_name);
            rc = repo ? fn(&h, repo, user) : PHI3V_E_MEMORY;
        }
        free(list[i]);
    }
    if (n >= 0) free(list);
    return rc;
}

/* The model with a name, ignoring case. */
struct wanted {
    const struct hub_name *name;
    int n;
    char *repo; // of the last
};

static int match(const struct hub_name *h, const char *repo, void *user)
{
    struct wanted *w = user;
    if (strcasecmp(h->org, w->name->org) != 0 || strcasecmp(h->name, w->name->name) != 0) return 0;
    mem_free(w->repo);
    w->repo = mem_strdup(repo);
    w->n++;
    return w->repo ? 0 : PHI3V_E_MEMORY;
}

/* The folder of a model; NULL without error when there is none, or when several differ in case. */
static int find_repo(const struct hub_name *h, const char *hub, char **ret, struct phi3v_error *err)
{
    struct buf exact = {0};
    buf_printf(&exact, "%s/models--%s--%s", hub, h->org, h->name);
    if (exact.failed) return no_memory(err);
    if (file_is_dir(exact.data)) {
        *ret = buf_take(&exact);
        return 0;
    }
    buf_fini(&exact);
    struct wanted w = {.name = h};
    if (hub_cache_each(hub, match, &w)) return no_memory(err);
    if (w.n == 1)
        *ret = w.repo;
    else
        mem_free(w.repo);
    return 0;
}

int hub_cache_find(const char *what, const struct hub_name *h, const char *hub, char **ret_path,
                   struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *repo = NULL;
    char commit[41], model[2 * HUB_PART];
    int code = find_repo(h, hub, &repo, err);
    if (code || !repo) return code;
    snprintf(model, sizeof model, "%s/%s", h->org, h->name);
    code = read_commit(model, repo, h->rev, commit, err);
    return code ? code : open_snapshot(what, repo, commit, ret_path, err);
}

/* -- By path ----------------------------------------------------------------------------------- */

/* The name of the only snapshot, "" when there are none or several. */
static bool only_snapshot(const char *repo, char ret[41])
{
    CLEANUP(mem_free_ptr) char *dir = path_join(repo, "snapshots");
    struct dirent **list;
    *ret = 0;
    if (!dir) return false;
    int n = scandir(dir, &list, not_hidden, alphasort);
    if (n == 1 && is_commit(list[0]->d_name, strlen(list[0]->d_name)))
        memcpy(ret, list[0]->d_name, 41);
    for (int i = 0; i < n; i++) free(list[i]);
    if (n >= 0) free(list);
    return true;
}

/* The main revision of a model's folder, or the only one. */
static int open_repo(const char *repo, char **ret_path, struct phi3v_error *err)
{
    char commit[41];
    if (!only_snapshot(repo, commit)) return no_memory(err);
    int code = *commit ? 0 : read_commit(repo, repo, "main", commit, err);
    return code ? code : open_snapshot(repo, repo, commit, ret_path, err);
}

int hub_cache_snapshot(const char *repo, char **ret_path)
{
    char commit[41];
    if (!only_snapshot(repo, commit)) return PHI3V_E_MEMORY;
    int code = *commit ? 0 : read_commit(repo, repo, "main", commit, NULL);
    if (code) return code == PHI3V_E_MEMORY ? code : 0;
    struct buf dir = {0};
    buf_printf(&dir, "%s/snapshots/%s", repo, commit);
    char *path = buf_take(&dir);
    if (!path) return PHI3V_E_MEMORY;
    if (file_is_dir(path))
        *ret_path = path;
    else
        mem_free(path);
    return 0;
}

/* Cuts the last part off a path and returns it; NULL when there is none. */
static const char *cut_last(char *path)
{
    char *slash = strrchr(path, '/');
    if (!slash || slash == path) return NULL;
    *slash = 0;
    return slash + 1;
}

static bool is_repo_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return strncmp(slash ? slash + 1 : path, "models--", 8) == 0;
}

int hub_cache_folder(const char *dir, char **ret_path, struct phi3v_error *err)
{
    CLEANUP(mem_free_ptr) char *repo = mem_strdup(dir);
    if (!repo) return no_memory(err);
    const char *below = NULL, *part = ""; // the model's folder, and the name inside it
    for (int up = 0; up < 3 && part; up++, below = part, part = cut_last(repo)) {
        bool has_snapshots = false;
        if (!is_repo_name(repo)) continue;
        if (!has_file(repo, "snapshots", &has_snapshots)) return no_memory(err);
        if (!has_snapshots) continue;
        bool is_snapshot =
            up == 2 && strcmp(part, "snapshots") == 0 && is_commit(below, strlen(below));
        return is_snapshot ? open_snapshot(dir, repo, below, ret_path, err)
                           : open_repo(repo, ret_path, err);
    }
    return 0;
}
