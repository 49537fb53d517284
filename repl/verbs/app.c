/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "common/files.h"
#include "common/json.h"
#include "common/must.h"
#include "pdf/pdf.h"
#include "term/out.h"
#include "tty/fault.h"
#include "tty/interrupt.h"
#include "verbs/app.h"

/* -- Where models lie ------------------------------------------------------------------------- */

const char *app_model_name(const struct options *opt)
{
    const char *name = opt->model && *opt->model ? opt->model : getenv("PHISCOPE_MODEL");
    return name && *name ? name : NULL;
}

/* -- What answers ------------------------------------------------------------------------------ */

char *app_engine_name(const struct options *opt)
{
    if (!opt->connect) return app_model_name(opt) ? xstrdup(app_model_name(opt)) : NULL;
    return xasprintf("%s%s%s", opt->connect, opt->model ? "#" : "", opt->model ? opt->model : "");
}

int app_open_engine(const struct options *opt, struct notebook *nb, struct phi3v_error *err)
{
    int rc = pull_offer(opt, err);
    char *name = app_engine_name(opt);
    if (!rc) rc = nb_open_model(nb, name, err);
    free(name);
    return rc;
}

int app_api_key(const struct options *opt, char **ret, struct phi3v_error *err)
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

/* Folders beside the program: build/repl/phiscope in the source tree, PREFIX/bin/phiscope when
 * installed. */
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

const char *const *app_model_dirs(void)
{
    static const char *dirs[MAX_DIRS + 1];
    if (!dirs[0]) dirs[find_dirs(dirs)] = NULL;
    return dirs;
}

/* -- An engine without a notebook ------------------------------------------------------------- */

static void no_output(void *user, const struct nb_output *out) { (void)user, (void)out; }

static void show_progress(void *user, const struct nb_progress *p)
{
    struct app *a = user;
    if (p) {
        progress_left(&a->progress, p->left_s);
        progress_update(&a->progress, p->stage, (enum progress_unit)p->unit, p->done, p->total);
    } else {
        progress_clear(&a->progress);
    }
}

static bool stopped(void *user)
{
    (void)user;
    return interrupt_requested();
}

static void begins(void *user) { (void)user; }

static void model_changed(void *user, const phi3v_model *model)
{
    (void)user;
    fault_model(model);
}

static void cancel(void *engine) { engine_cancel(engine); }

void app_init(struct app *a, const struct options *opt)
{
    *a = (struct app){.front = {.output = no_output,
                                .progress = show_progress,
                                .stopped = stopped,
                                .begins = begins,
                                .model_changed = model_changed,
                                .draw_pdf = pdf_draw,
                                .user = a,
                                .standard_input = true}};
    options_copy(&a->opt, opt);
    engine_init(&a->engine, &a->front);
    progress_init(&a->progress, stderr, 0, false);
    interrupt_catch();
    if (opt->json) fault_as_json();
    interrupt_calls(cancel, &a->engine);
}

int app_open_model(struct app *a, struct phi3v_error *err)
{
    int rc = pull_offer(&a->opt, err);
    if (rc) return rc;
    rc = engine_open_local(&a->engine, app_model_name(&a->opt), app_model_dirs(), &a->opt.set, err);
    if (!rc && a->engine.info->note && !a->opt.json) {
        struct out out;
        out_init(&out, stderr, NULL);
        out_format(&out, "phiscope: %s\n", a->engine.info->note);
    }
    return rc;
}

void app_close_model(struct app *a) { engine_close(&a->engine); }

void app_fini(struct app *a)
{
    interrupt_calls(NULL, NULL);
    engine_close(&a->engine);
    options_free(&a->opt);
}

int app_load_picture(struct app *a, const char *what, enum nb_origin origin, struct loaded *ret,
                     struct phi3v_error *err)
{
    struct loader how = {.settings = &a->opt.set, .front = &a->front};
    return load_picture(what, &how, origin, ret, err);
}

int app_on_progress(const struct phi3v_event *event, void *user)
{
    struct app *a = user;
    return engine_on_event(event, &a->engine);
}

/* -- Reports ---------------------------------------------------------------------------------- */

void app_print_json(const json_t *value)
{
    struct out out;
    char *json = json_line(value);
    out_init(&out, stdout, NULL);
    out_json(&out, json ? json : "null");
    out_flush(&out);
    free(json);
}

int app_report(const struct options *opt, const struct phi3v_error *err, int status)
{
    struct out out;
    if (opt->json) {
        json_t *line = json_error(err);
        app_print_json(line);
        json_decref(line);
    } else {
        out_init(&out, stderr, NULL);
        fputs("phiscope: ", stderr);
        out_name(&out, err->text);
        fputc('\n', stderr);
        out_flush(&out);
    }
    return status;
}

int app_input_status(int code) { return code == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_INPUT; }

int app_status(int code) { return code == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_CELL; }

int app_model_status(int code) { return code == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_MODEL; }
