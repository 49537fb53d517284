/* SPDX-License-Identifier: MIT */
#define _POSIX_C_SOURCE 200809L
#include "net/hub_list.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "net/error.h"

#define MAX_FILES 2000
#define MAX_PAGES 1000
#define MAX_BYTES ((json_int_t)1 << 50) /* largest size of a file */

static bool is_hex(const char *s, size_t n)
{
    if (strlen(s) != n) return false;
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)s[i]) || isupper((unsigned char)s[i])) return false;
    return true;
}

static int fail_foreign(const struct hub_client *c, struct phi3v_error *err)
{
    return refuse(err, PHI3V_E_IO, "%.200s does not answer as the hub does", c->env->endpoint);
}

/* -- Which files ------------------------------------------------------------------------------ */

static bool ends_with(const char *name, const char *ending)
{
    size_t n = strlen(name), k = strlen(ending);
    return n > k && !strcmp(name + n - k, ending);
}

/* Whether this is one name without folders, control characters, or a special meaning to the file
 * system. */
static bool is_safe(const char *name)
{
    size_t n = strlen(name);
    if (n == 0 || n > 200 || *name == '.' || *name == '-') return false;
    for (; *name; name++)
        if ((unsigned char)*name < 0x20 || *name == 0x7F || strchr("/\\:", *name)) return false;
    return true;
}

/* Whether a file with that name is fetched at all: configuration, tokenizer, safetensors. */
static bool is_wanted(const char *name)
{
    static const char *const names[] = {
        "config.json",
        "generation_config.json",
        "preprocessor_config.json",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "phiscope.json",
        "tokenizer.model",
        "special_tokens_map.json",
        "added_tokens.json",
        "chat_template.json",
        "chat_template.jinja",
        "vocab.json",
        "merges.txt",
    };
    if (!is_safe(name)) return false;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (!strcmp(name, names[i])) return true;
    return ends_with(name, ".safetensors") || ends_with(name, ".safetensors.index.json");
}

/* -- The tree --------------------------------------------------------------------------------- */

/* Adds git's own object, or the large file it points to. */
static int add_file(struct hub_listing *l, const json_t *entry)
{
    const char *type = json_string_value(json_object_get(entry, "type"));
    const char *path = json_string_value(json_object_get(entry, "path"));
    const json_t *lfs = json_object_get(entry, "lfs");
    const json_t *object = json_is_object(lfs) ? lfs : entry;
    const char *oid = json_string_value(json_object_get(object, "oid"));
    json_int_t size = json_integer_value(json_object_get(object, "size"));
    if (!type || !path) return PHI3V_E_IO;
    if (strcmp(type, "file") || !is_wanted(path)) return 0;
    if (!oid || size < 0 || size > MAX_BYTES || !is_hex(oid, object == lfs ? 64 : 40))
        return PHI3V_E_IO;
    if (l->n_files == MAX_FILES) return PHI3V_E_MODEL;
    struct hub_file *more = realloc(l->files, (l->n_files + 1) * sizeof *more);
    if (!more) return PHI3V_E_MEMORY;
    l->files = more;
    struct hub_file *f = &more[l->n_files];
    *f = (struct hub_file){.name = strdup(path), .size = size};
    if (!f->name) return PHI3V_E_MEMORY;
    memcpy(f->key, oid, strlen(oid) + 1);
    l->n_files++;
    l->size += size;
    return 0;
}

int hub_listing_add(struct hub_listing *l, const json_t *page)
{
    int rc = json_is_array(page) ? 0 : PHI3V_E_IO;
    for (size_t i = 0; rc == 0 && i < json_array_size(page); i++)
        rc = add_file(l, json_array_get(page, i));
    return rc;
}

static int fail_page(const struct hub_client *c, int rc, struct phi3v_error *err)
{
    if (rc == PHI3V_E_MEMORY) return net_fail_memory(err, "a model");
    if (rc == PHI3V_E_MODEL) return refuse(err, rc, "the hub lists more than %d files", MAX_FILES);
    return fail_foreign(c, err);
}

static int add_page(struct hub_client *c, const struct hub_name *name, char **url,
                    struct hub_listing *l, struct phi3v_error *err)
{
    json_t *page = NULL;
    char *next = NULL;
    int rc = hub_get_json(c, *url, name, &page, &next, err);
    int bad = rc == 0 ? hub_listing_add(l, page) : 0;
    if (bad) rc = fail_page(c, bad, err);
    json_decref(page);
    free(*url);
    *url = next;
    if (next && *next == '/') {
        *url = text_format("%s%s", c->env->endpoint, next);
        free(next);
        if (!*url && rc == 0) rc = net_fail_memory(err, "a model");
    }
    return rc;
}

static int by_size(const void *a, const void *b)
{
    const struct hub_file *fa = a, *fb = b;
    if (fa->size != fb->size) return fa->size < fb->size ? -1 : 1;
    return strcmp(fa->name, fb->name);
}

static int list_tree(struct hub_client *c, const struct hub_name *name, struct hub_listing *l,
                     struct phi3v_error *err)
{
    char *url = text_format("%s/api/models/%s/tree/%s?recursive=true&expand=false",
                            c->env->endpoint, name->repo, l->commit);
    int rc = url ? 0 : net_fail_memory(err, "a model");
    for (int i = 0; rc == 0 && url && i < MAX_PAGES; i++) rc = add_page(c, name, &url, l, err);
    free(url);
    if (rc == 0 && l->n_files) qsort(l->files, l->n_files, sizeof *l->files, by_size);
    return rc;
}

/* -- The whole -------------------------------------------------------------------------------- */

/* Escapes a revision's slashes too, since they belong to it. */
static char *escaped(const char *s)
{
    char *to = malloc(3 * strlen(s) + 1), *out = to;
    if (!to) return NULL;
    for (; *s; s++) {
        if (isalnum((unsigned char)*s) || strchr("._-~", *s))
            *out++ = *s;
        else
            out += sprintf(out, "%%%02X", (unsigned char)*s);
    }
    *out = 0;
    return to;
}

static int find_commit(struct hub_client *c, const struct hub_name *name, struct hub_listing *l,
                       struct phi3v_error *err)
{
    char *rev = escaped(name->rev);
    char *url =
        rev ? text_format("%s/api/models/%s/revision/%s", c->env->endpoint, name->repo, rev) : NULL;
    json_t *info = NULL;
    int rc = url ? hub_get_json(c, url, name, &info, NULL, err) : net_fail_memory(err, "a model");
    const char *sha = json_string_value(json_object_get(info, "sha"));
    if (rc == 0 && (!sha || !is_hex(sha, 40))) rc = fail_foreign(c, err);
    if (rc == 0) memcpy(l->commit, sha, 41);
    json_decref(info);
    free(url);
    free(rev);
    return rc;
}

static int check(const struct hub_listing *l, const struct hub_name *name, struct phi3v_error *err)
{
    bool has_config = false, has_weights = false;
    for (size_t i = 0; i < l->n_files; i++) {
        has_config |= !strcmp(l->files[i].name, "config.json");
        has_weights |= ends_with(l->files[i].name, ".safetensors");
    }
    if (has_config && has_weights) return 0;
    return refuse(err, PHI3V_E_MODEL, "%s holds no %s, so it is no model that can be run here",
                  name->repo, has_config ? "weights as .safetensors" : "config.json");
}

int hub_list(struct hub_client *c, const struct hub_name *name, struct hub_listing *ret,
             struct phi3v_error *err)
{
    struct hub_listing l = {0};
    int rc = find_commit(c, name, &l, err);
    if (rc == 0) rc = list_tree(c, name, &l, err);
    if (rc == 0) rc = check(&l, name, err);
    if (rc == 0)
        *ret = l;
    else
        hub_listing_fini(&l);
    return rc;
}

void hub_listing_fini(struct hub_listing *l)
{
    for (size_t i = 0; i < l->n_files; i++) free(l->files[i].name);
    free(l->files);
    *l = (struct hub_listing){0};
}

char *hub_file_url(const struct hub_env *env, const struct hub_name *name, const char *commit,
                   const char *file)
{
    char *path = escaped(file);
    char *url =
        path ? text_format("%s/%s/resolve/%s/%s", env->endpoint, name->repo, commit, path) : NULL;
    free(path);
    return url;
}
