/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include "weights/find.h"

#include <ctype.h>
#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/buf.h"
#include "base/env.h"
#include "base/file.h"
#include "base/mem.h"
#include "base/near.h"
#include "weights/foreign.h"
#include "weights/hub_cache.h"

/* A name being looked up, and what is known about it. */
struct search {
    const char *typed;
    const char *const *models_dirs;
    char *hub; // the cache's folder; NULL: unknown
    struct phi3v_error *err;
    char *path; // the result
};

static int no_memory(const struct search *s) { return err_memory(s->err, "a path", 4096); }

/* *ret: does dir/name exist; false without memory. */
static bool has_file(const char *dir, const char *name, bool *ret)
{
    CLEANUP(mem_free_ptr) char *path = path_join(dir, name);
    if (path) *ret = file_exists(path);
    return path != NULL;
}

/* -- What was typed ---------------------------------------------------------------------------- */

/* A copy without surrounding blanks and quotes, and without a final slash. */
static char *unquoted(const char *s)
{
    while (isspace((unsigned char)*s)) s++;
    size_t n = strlen(s);
    while (n > 0 && isspace((unsigned char)s[n - 1])) n--;
    if (n > 1 && (*s == '"' || *s == '\'') && s[n - 1] == *s) s++, n -= 2;
    while (n > 1 && s[n - 1] == '/') n--;
    return mem_strndup(s, n);
}

static int hex(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    c = (char)tolower((unsigned char)c);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Understands how terminals paste a dropped folder: file:// with percent signs, or blanks with
 * backslashes. Also ~/, which a shell does not expand inside quotes. */
static char *as_path(const char *s)
{
    struct buf b = {0};
    bool is_url = strncmp(s, "file://", 7) == 0;
    const char *home = env_home();
    if (is_url) s += 7;
    if (home && s[0] == '~' && (s[1] == '/' || !s[1])) {
        buf_puts(&b, home);
        s++;
    }
    for (; *s; s++) {
        int high = is_url && *s == '%' ? hex(s[1]) : -1, low = high >= 0 ? hex(s[2]) : -1;
        if (low >= 0) s += 2;
        if (!is_url && *s == '\\' && s[1]) s++;
        buf_putc(&b, low >= 0 ? (char)(high * 16 + low) : *s);
    }
    return buf_take(&b);
}

/* -- Folders ----------------------------------------------------------------------------------- */

/* Tries the folder itself, a folder of the cache, and the folder of a model's file. */
static int try_path(struct search *s, const char *path)
{
    bool has_config = false;
    if (s->path || !file_exists(path)) return 0;
    if (!has_file(path, "config.json", &has_config)) return no_memory(s);
    if (has_config) return (s->path = mem_strdup(path)) ? 0 : no_memory(s);
    int code = hub_cache_folder(path, &s->path, s->err);
    if (code || s->path || file_is_dir(path)) return code;
    const char *slash = strrchr(path, '/');
    CLEANUP(mem_free_ptr)
    char *around = slash ? mem_strndup(path, (size_t)(slash - path)) : mem_strdup(".");
    if (!around || !has_file(around, "config.json", &has_config)) return no_memory(s);
    if (!has_config || !slash[1]) return 0;
    s->path = around;
    around = NULL;
    return 0;
}

/* -- Short names ------------------------------------------------------------------------------- */

static int not_hidden(const struct dirent *e) { return e->d_name[0] != '.'; }

/* Called for the folders of models in a folder. */
typedef int (*short_fn)(struct search *s, const char *dir, const char *name, void *user);

static int each_short(struct search *s, short_fn fn, void *user)
{
    int code = 0;
    for (const char *const *dir = s->models_dirs; dir && *dir && !code; dir++) {
        struct dirent **list;
        int n = scandir(*dir, &list, not_hidden, alphasort);
        for (int i = 0; i < n; i++) {
            CLEANUP(mem_free_ptr) char *path = path_join(*dir, list[i]->d_name);
            bool has_config = false;
            if (!code && (!path || !has_file(path, "config.json", &has_config)))
                code = no_memory(s);
            if (!code && has_config) code = fn(s, *dir, list[i]->d_name, user);
            free(list[i]);
        }
        if (n >= 0) free(list);
    }
    return code;
}

/* Compares with the name in `user`, ignoring case; an exact match takes precedence. */
static int take_short(struct search *s, const char *dir, const char *name, void *user)
{
    if (strcasecmp(name, user) != 0 || (s->path && strcmp(name, user) != 0)) return 0;
    const char *slash = s->path ? strrchr(s->path, '/') : NULL;
    if (slash && strcmp(slash + 1, user) == 0) return 0;
    mem_free(s->path);
    return (s->path = path_join(dir, name)) ? 0 : no_memory(s);
}

/* -- Nothing found ----------------------------------------------------------------------------- */

static int offer_short(struct search *s, const char *dir, const char *name, void *user)
{
    (void)s, (void)dir;
    near_offer(user, name, name);
    return 0;
}

static int offer_hub(const struct hub_name *h, const char *repo, void *user)
{
    (void)repo;
    char whole[2 * HUB_PART];
    snprintf(whole, sizeof whole, "%s/%s", h->org, h->name);
    near_offer(user, whole, whole);
    near_offer(user, h->name, whole);
    return 0;
}

/* Suggests folders next to a missing one, and models in a folder that is not a model. */
static void offer_folders(const char *path, struct near *near)
{
    const char *slash = strrchr(path, '/');
    const bool inside = file_is_dir(path);
    CLEANUP(mem_free_ptr)
    char *dir = inside  ? mem_strdup(path)
                : slash ? mem_strndup(path, (size_t)(slash - path) + 1)
                        : mem_strdup(".");
    struct dirent **list;
    int n = dir ? scandir(dir, &list, not_hidden, alphasort) : -1;
    for (int i = 0; i < n; i++) {
        CLEANUP(mem_free_ptr) char *whole = path_join(dir, list[i]->d_name);
        bool has_config = false;
        if (whole && has_file(whole, "config.json", &has_config) && has_config) {
            struct near named = {.typed = inside ? list[i]->d_name : slash ? slash + 1 : path};
            near_offer(&named, list[i]->d_name, slash || inside ? whole : list[i]->d_name);
            if (*named.best && (!*near->best || named.edits < near->edits)) {
                near->edits = named.edits;
                memcpy(near->best, named.best, sizeof near->best);
            }
        }
        free(list[i]);
    }
    if (n >= 0) free(list);
}

/* Says what was tried, and which name was probably meant. */
static int not_found(struct search *s, const char *name, const char *path, const struct hub_name *h)
{
    struct buf tried = {0};
    char plain[2 * HUB_PART];
    struct near near = {.typed = h ? plain : name};
    if (h) snprintf(plain, sizeof plain, "%s/%s", h->org, h->name);
    int foreign = file_is_dir(path)   ? foreign_check(path, s->err)
                  : file_exists(path) ? foreign_check_file(path, s->err)
                                      : 0;
    if (foreign) return foreign;
    if (file_is_dir(path)) {
        buf_printf(&tried, "%s is a folder without config.json", path);
    } else if (file_exists(path)) {
        buf_printf(&tried, "%s is a file, and no model is around it; a model is a folder", path);
    } else {
        buf_printf(&tried, "there is no folder %s", path);
    }
    for (const char *const *dir = s->models_dirs; dir && *dir && !strchr(name, '/'); dir++)
        buf_printf(&tried, ", no %s in %s", name, *dir);
    if (h && s->hub)
        buf_printf(&tried, ", and no such model in the cache %s", s->hub);
    else if (h)
        buf_puts(&tried, ", and no cache folder is known");
    offer_folders(path, &near);
    each_short(s, offer_short, &near);
    if (s->hub) hub_cache_each(s->hub, offer_hub, &near);
    if (*near.best) buf_printf(&tried, "; did you mean %s?", near.best);
    if (h && !*near.best) buf_printf(&tried, "; \"phiscope pull %s\" fetches it", plain);
    int code = tried.failed
                   ? no_memory(s)
                   : err_set(s->err, PHI3V_E_MODEL, "no model \"%s\": %s", name, tried.data);
    buf_fini(&tried);
    return code;
}

/* -- Public ------------------------------------------------------------------------------------ */

static int search(struct search *s)
{
    struct hub_name h;
    CLEANUP(mem_free_ptr) char *name = unquoted(s->typed);
    CLEANUP(mem_free_ptr) char *path = name ? as_path(name) : NULL;
    if (!path) return no_memory(s);
    if (!*name) return err_set(s->err, PHI3V_E_MODEL, "the name of the model is empty");
    int code = try_path(s, s->typed);
    if (!code) code = try_path(s, name);
    if (!code) code = try_path(s, path);
    if (!code && !s->path && hub_is_plain(name, strlen(name)))
        code = each_short(s, take_short, name);
    enum hub_parsed parsed = hub_parse(name, &h);
    if (!code && !s->path && parsed == HUB_OTHER)
        return err_set(s->err, PHI3V_E_MODEL,
                       "%s is not the page of a model; a model's address is "
                       "https://huggingface.co/ORG/NAME",
                       name);
    if (!code && !s->path && parsed == HUB_MODEL && s->hub)
        code = hub_cache_find(name, &h, s->hub, &s->path, s->err);
    if (!code && !s->path) code = not_found(s, name, path, parsed == HUB_MODEL ? &h : NULL);
    return code;
}

int model_find(const char *name, const char *const *models_dirs, char **ret_path,
               struct phi3v_error *err)
{
    struct search s = {
        .typed = name, .models_dirs = models_dirs, .hub = env_hub_cache(), .err = err};
    int code = search(&s);
    mem_free(s.hub);
    if (code)
        mem_free(s.path);
    else
        *ret_path = s.path;
    return code;
}
