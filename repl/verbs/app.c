/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "verbs/app.h"
#include "tty/fault.h"
#include "tty/interrupt.h"
#include "base/json.h"
#include "term/clean.h"

/* -- Model ---------------------------------------------------------------------------------- */

void app_models_dirs(struct strings *ret_dirs)
{
    char exe[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof exe - 1);
    *ret_dirs = (struct strings){0};
    if (n > 0) {
        exe[n] = 0;
        char *slash = strrchr(exe, '/');
        if (slash) *slash = 0;
        /* build/repl/phiscope in the source tree; PREFIX/bin/phiscope when installed */
        static const char *const from_exe[] = {"../../models", "../share/phiscope/models"};
        for (int i = 0; i < 2; i++) {
            char *dir = xasprintf("%s/%s", exe, from_exe[i]);
            char *real = realpath(dir, NULL);
            if (real) strings_add(ret_dirs, real);
            free(real);
            free(dir);
        }
    }
    if (!access(PHISCOPE_MODELS_DIR, F_OK)) strings_add(ret_dirs, PHISCOPE_MODELS_DIR);
    strings_add(ret_dirs, ""); /* becomes the terminating NULL */
    free(ret_dirs->v[--ret_dirs->n]);
    ret_dirs->v[ret_dirs->n] = NULL;
}

static int find_model(const char *name, char **ret_path, struct phi3v_error *err)
{
    const char *wanted = name && *name ? name : getenv("PHISCOPE_MODEL");
    struct strings dirs;
    app_models_dirs(&dirs);
    int rc = phi3v_model_find(wanted && *wanted ? wanted : "default", (const char *const *)dirs.v,
                              ret_path, err);
    strings_free(&dirs);
    if (rc && !(wanted && *wanted))
        return refuse(
            err, PHI3V_E_MODEL,
            "the built-in model is not beside the program; give -m FOLDER or -m ORG/NAME");
    return rc;
}

int app_on_progress(const struct phi3v_event *event, void *user)
{
    static const struct {
        const char *name;
        enum progress_unit unit;
    } stage[] = {[PHI3V_STAGE_LOAD] = {"loading the model", PROGRESS_BYTES},
                 [PHI3V_STAGE_VISION] = {"looking at pictures", PROGRESS_CROPS},
                 [PHI3V_STAGE_PREFILL] = {"reading the prompt", PROGRESS_TOKENS}};
    struct app *a = user;
    if (event->type == PHI3V_EVENT_PROGRESS && event->stage <= PHI3V_STAGE_PREFILL)
        progress_update(&a->progress, stage[event->stage].name, stage[event->stage].unit,
                        event->done, event->total);
    return interrupt_requested();
}

static void cancel(void *session) { phi3v_session_cancel(session); }

void app_interrupts(phi3v_session *session) { interrupt_calls(session ? cancel : NULL, session); }

static int open_path(struct app *a, const char *path, phi3v_model **ret_model,
                     phi3v_session **ret_session, struct phi3v_error *err)
{
    struct phi3v_model_options how;
    phi3v_model_options_default(&how);
    how.device = a->opt.device;
    how.dtype = a->opt.dtype;
    how.kv = a->opt.kv;
    how.vision_dtype = a->opt.vision_dtype;
    how.n_threads = a->opt.threads;
    how.ctx = a->opt.ctx;
    how.on_event = app_on_progress;
    how.user = a;
    progress_init(&a->progress, stderr, 0, false);
    phi3v_model *model;
    int rc = phi3v_model_open(path, &how, &model, err);
    if (!rc && (rc = phi3v_session_new(model, ret_session, err))) phi3v_model_close(model);
    if (!rc) *ret_model = model;
    progress_clear(&a->progress);
    return rc;
}

int app_switch_model(struct app *a, const char *name, struct phi3v_error *err)
{
    double begun = now_s();
    char *path;
    int rc = find_model(name, &path, err);
    if (rc) return rc;
    phi3v_model *model;
    phi3v_session *session;
    rc = open_path(a, path, &model, &session, err);
    phi3v_string_free(path);
    if (rc) return rc;
    app_close_model(a);
    a->model = model;
    a->session = session;
    a->info = phi3v_model_info(model);
    a->load_s = now_s() - begun;
    app_interrupts(session);
    fault_model(model);
    if (a->opt.json) fault_as_json();
    if (a->info->note && !a->opt.json) {
        fputs("phiscope: ", stderr);
        clean_print(stderr, CLEAN_NAME, a->info->note);
        fputc('\n', stderr);
    }
    return 0;
}

int app_open_model(struct app *a, struct phi3v_error *err)
{
    return app_switch_model(a, a->opt.model, err);
}

void app_close_model(struct app *a)
{
    app_interrupts(NULL);
    fault_model(NULL);
    phi3v_session_free(a->session);
    phi3v_model_close(a->model);
    a->session = NULL;
    a->model = NULL;
    a->info = NULL;
}

/* -- Reports -------------------------------------------------------------------------------- */

int app_report(const struct options *opt, const struct phi3v_error *err, int status)
{
    if (opt->json) {
        json_print_error(stdout, err);
    } else {
        fputs("phiscope: ", stderr);
        clean_print(stderr, CLEAN_NAME, err->text);
        fputc('\n', stderr);
    }
    return status;
}

int app_status(int code) { return code == PHI3V_E_CANCELLED ? EXIT_INTERRUPTED : EXIT_CELL; }
