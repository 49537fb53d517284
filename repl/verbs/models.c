/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope models, phiscope devices: what there is on this machine. */
#define _GNU_SOURCE
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/json.h"
#include "common/must.h"
#include "term/out.h"
#include "verbs/verbs.h"

/* -- Models --------------------------------------------------------------------------------- */

struct found {
    bool json;
    int n;
};

static void show_model(const char *name, const char *path, void *user)
{
    struct found *f = user;
    f->n++;
    if (f->json) {
        json_t *line = json_pack("{s:o,s:o}", "name", json_text(name), "path", json_text(path));
        app_print_json(line);
        json_decref(line);
        return;
    }
    struct out out;
    out_init(&out, stdout, NULL);
    out_padded(&out, name, 40);
    out_format(&out, " %s\n", path);
}

static bool has_config(const char *dir)
{
    char *path = xasprintf("%s/config.json", dir);
    bool there = !access(path, R_OK);
    free(path);
    return there;
}

static int not_hidden(const struct dirent *e) { return e->d_name[0] != '.'; }

static void list_short_names(const char *dir, app_model_fn fn, void *user)
{
    struct dirent **list;
    int n = scandir(dir, &list, not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        char *path = xasprintf("%s/%s", dir, list[i]->d_name);
        if (has_config(path)) fn(list[i]->d_name, path, user);
        free(path);
        free(list[i]);
    }
    if (n >= 0) free(list);
}

/* models--ORG--NAME -> ORG/NAME, NULL for other folders. */
static char *hub_name(const char *folder)
{
    if (strncmp(folder, "models--", 8) != 0) return NULL;
    const char *dashes = strstr(folder + 8, "--");
    if (!dashes) return xstrdup(folder + 8);
    return xasprintf("%.*s/%s", (int)(dashes - folder - 8), folder + 8, dashes + 2);
}

static void list_hub(app_model_fn fn, void *user)
{
    const char *hub = getenv("HF_HUB_CACHE"), *hf = getenv("HF_HOME");
    const char *cache = getenv("XDG_CACHE_HOME"), *home = getenv("HOME");
    char *dir = hub && *hub       ? xstrdup(hub)
                : hf && *hf       ? xasprintf("%s/hub", hf)
                : cache && *cache ? xasprintf("%s/huggingface/hub", cache)
                : home && *home   ? xasprintf("%s/.cache/huggingface/hub", home)
                                  : xstrdup("");
    struct dirent **list;
    int n = scandir(dir, &list, not_hidden, alphasort);
    for (int i = 0; i < n; i++) {
        char *name = hub_name(list[i]->d_name), *path = NULL;
        struct phi3v_error err;
        if (name && !phi3v_model_find(name, NULL, &path, &err) && has_config(path))
            fn(name, path, user);
        phi3v_string_free(path);
        free(name);
        free(list[i]);
    }
    if (n >= 0) free(list);
    free(dir);
}

void app_each_model(app_model_fn fn, void *user)
{
    for (const char *const *dir = app_model_dirs(); *dir; dir++) list_short_names(*dir, fn, user);
    list_hub(fn, user);
}

int models_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, OPTION_COMMON, &words, &n);
    if (status >= 0) return status;
    if (n > 0) return verb_misuse(opt, "models takes no words, not \"%s\"", words[0]);
    struct found f = {.json = opt->json};
    app_each_model(show_model, &f);
    if (!f.n)
        fprintf(stderr, "phiscope: no model in models/ nor in the Hugging Face cache; any folder "
                        "works too: -m FOLDER\n");
    return EXIT_FINE;
}

/* -- Devices -------------------------------------------------------------------------------- */

static int show_device(const char *name, const char *description, int usable, const char *why_not,
                       void *user)
{
    const struct options *opt = user;
    if (opt->json) {
        json_t *line = json_pack("{s:s,s:o,s:b,s:o}", "name", name, "description",
                                 json_text(description ? description : ""), "usable", usable,
                                 "why_not", why_not ? json_text(why_not) : json_null());
        app_print_json(line);
        json_decref(line);
    } else {
        struct out out;
        out_init(&out, stdout, NULL);
        out_format(&out, "%-8s %s%s%s\n", name, description ? description : "",
                   usable ? "" : "  not usable: ", usable || !why_not ? "" : why_not);
    }
    return 0;
}

int devices_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, OPTION_COMMON, &words, &n);
    if (status >= 0) return status;
    if (n > 0) return verb_misuse(opt, "devices takes no words, not \"%s\"", words[0]);
    return phi3v_devices(show_device, opt) < 0 ? EXIT_MODEL : EXIT_FINE;
}
