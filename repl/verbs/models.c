/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope models: lists the models on this machine, and removes one. */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/file.h>
#include <unistd.h>

#include "common/json.h"
#include "common/must.h"
#include "net/hub.h"
#include "phi3v_tools.h"
#include "term/out.h"
#include "verbs/model_choice.h"
#include "verbs/verbs.h"

/* -- The list ------------------------------------------------------------------------------- */

struct shown {
    bool json;
    int n;
};

static void show_json(const struct phi3v_found *f)
{
    json_t *line =
        json_pack("{s:o,s:o,s:I,s:o,s:b,s:o}", "name", json_text(f->name), "path",
                  f->path ? json_text(f->path) : json_null(), "bytes", (json_int_t)f->bytes,
                  "model_type", f->kind ? json_text(f->kind) : json_null(), "complete", !f->missing,
                  "missing", f->missing ? json_text(f->missing) : json_null());
    verb_report_json(line);
    json_decref(line);
}

/* "whole", or why the model cannot be opened. */
static char *state_of(const struct phi3v_found *f)
{
    if (f->kind && strcmp(f->kind, "phi3_v") != 0)
        return xasprintf("not Phi-3-vision (%s)", f->kind);
    const char *parts = f->n_parts ? "; a download is unfinished" : "";
    return f->missing ? xasprintf("lacks %s%s", f->missing, parts) : xstrdup("whole");
}

static int show(const struct phi3v_found *f, void *user)
{
    struct shown *s = user;
    s->n++;
    if (s->json) {
        show_json(f);
        return 0;
    }
    char size[32], *state = state_of(f);
    struct out out;
    out_init(&out, stdout, NULL);
    out_padded(&out, f->name, 36);
    out_format(&out, " %8s  ", human_bytes((double)f->bytes, size, sizeof size));
    out_padded(&out, state, 6);
    out_format(&out, " %s\n", f->path ? f->path : f->folder);
    free(state);
    return 0;
}

static int each_model(phi3v_found_fn fn, void *user)
{
    return phi3v_models(model_choice_dirs(), fn, user);
}

/* For models that can be opened. */
struct opening {
    model_choice_fn fn;
    void *user;
};

static int hand_on(const struct phi3v_found *f, void *user)
{
    const struct opening *o = user;
    if (!f->missing && f->kind && strcmp(f->kind, "phi3_v") == 0) o->fn(f->name, f->path, o->user);
    return 0;
}

void model_choice_each(model_choice_fn fn, void *user)
{
    struct opening o = {fn, user};
    each_model(hand_on, &o);
}

static int list(const struct options *opt)
{
    struct shown s = {.json = opt->json};
    each_model(show, &s);
    if (!s.n)
        fprintf(stderr, "phiscope: there is no model in models/ or in the Hugging Face cache; name "
                        "any folder with -m FOLDER, or fetch a model with phiscope pull\n");
    return EXIT_FINE;
}

/* -- Taking one away ------------------------------------------------------------------------ */

/* The model to remove, as listed. */
struct victim {
    const char *name; // ORG/NAME, or a short name
    char *folder, *shown;
    bool in_cache;
    int64_t bytes;
};

static int find_victim(const struct phi3v_found *f, void *user)
{
    struct victim *v = user;
    if (strcasecmp(f->name, v->name) != 0) return 0;
    free(v->folder);
    free(v->shown);
    v->folder = xstrdup(f->folder);
    v->shown = xstrdup(f->name);
    v->in_cache = f->in_cache;
    v->bytes = f->bytes;
    return strcmp(f->name, v->name) == 0; // no inexact match here
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *ftw)
{
    (void)st, (void)kind, (void)ftw;
    return remove(path);
}

static int remove_tree(const char *path)
{
    return nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

/* Whether another program is fetching a file of the model, and so holds the file's lock. */
static bool is_being_fetched(const struct victim *v)
{
    char *slash = strrchr(v->folder, '/');
    char *locks = xasprintf("%.*s/.locks/%s", (int)(slash - v->folder), v->folder, slash + 1);
    DIR *d = opendir(locks);
    bool held = false;
    for (const struct dirent *e; d && !held && (e = readdir(d));) {
        if (e->d_name[0] == '.') continue;
        int fd = openat(dirfd(d), e->d_name, O_RDWR | O_CLOEXEC);
        if (fd < 0) continue;
        held = flock(fd, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK;
        close(fd);
    }
    if (d) closedir(d);
    free(locks);
    return held;
}

/* Renames the folder first, so that nobody finds a model with half its files. Links may point to
 * files that other models share, so only the links are removed. */
static int remove_model(const struct victim *v, struct phi3v_error *err)
{
    char *slash = strrchr(v->folder, '/');
    char *aside = xasprintf("%.*s/.phiscope-removed", (int)(slash - v->folder), v->folder);
    remove_tree(aside); // left by an interrupted removal
    int rc = rename(v->folder, aside) || remove_tree(aside)
                 ? refuse(err, PHI3V_E_IO, "cannot remove %s: %s", v->folder, strerror(errno))
                 : 0;
    free(aside);
    return rc;
}

static bool is_confirmed(const struct victim *v)
{
    char size[32], answer[16] = "";
    struct out out;
    out_init(&out, stderr, NULL);
    out_format(&out, "remove %s, %s in %s? [y/N] ", v->shown,
               human_bytes((double)v->bytes, size, sizeof size), v->folder);
    out_flush(&out);
    bool yes = fgets(answer, sizeof answer, stdin) && (*answer == 'y' || *answer == 'Y');
    if (!isatty(STDIN_FILENO)) out_format(&out, "\n");
    return yes;
}

static void say_removed(const char *name)
{
    struct out out;
    out_init(&out, stderr, NULL);
    out_format(&out, "phiscope: %s was removed\n", name);
}

static int remove_named(const struct options *opt, struct victim *v, struct phi3v_error *err)
{
    int rc = each_model(find_victim, v);
    if (rc < 0) return refuse(err, PHI3V_E_MEMORY, "not enough memory for the list of models");
    if (!v->folder)
        return refuse(err, PHI3V_E_MODEL, "no model %s is here; phiscope models lists them",
                      v->name);
    if (!v->in_cache)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%s is not in the Hugging Face cache: remove the folder %s yourself",
                      v->shown, v->folder);
    if (is_being_fetched(v))
        return refuse(err, PHI3V_E_IO, "%s is being fetched by another program right now",
                      v->shown);
    if (!is_confirmed(v)) return refuse(err, PHI3V_E_CANCELLED, "%s was not removed", v->shown);
    rc = remove_model(v, err);
    if (!rc && !opt->json) say_removed(v->shown);
    return rc;
}

static int remove_word(const struct options *opt, const char *word)
{
    struct phi3v_error err;
    struct hub_env env = {0};
    struct hub_name name = {0};
    int rc = hub_env_init(&env, &err);
    if (rc) return verb_report_error(opt, &err, EXIT_MODEL);
    bool is_hub_name = strchr(word, '/') && !hub_name_parse(word, &env, &name, NULL);
    struct victim v = {.name = is_hub_name ? name.repo : word};
    if (is_hub_name && strcmp(name.rev, "main") != 0)
        rc = refuse(&err, PHI3V_E_ARGUMENT,
                    "a single revision cannot be removed here; use hf cache rm, or name the model "
                    "without @%s",
                    name.rev);
    else
        rc = remove_named(opt, &v, &err);
    free(v.folder);
    free(v.shown);
    hub_name_fini(&name);
    hub_env_fini(&env);
    int status = rc == PHI3V_E_ARGUMENT ? EXIT_USAGE : rc == PHI3V_E_MODEL ? EXIT_MODEL : EXIT_CELL;
    return rc ? verb_report_error(opt, &err, status) : EXIT_FINE;
}

int models_main(struct options *opt, int argc, char **argv)
{
    char **words;
    int n, status = verb_options(opt, argc, argv, &words, &n);
    if (status >= 0) return status;
    if (n == 0) return list(opt);
    if (strcmp(words[0], "rm") != 0)
        return verb_misuse(opt, "models takes nothing or rm NAME, not \"%s\"", words[0]);
    if (n != 2) return verb_misuse(opt, "models rm needs one name");
    return remove_word(opt, words[1]);
}
