/* SPDX-License-Identifier: GPL-3.0-or-later */
#include "verbs/bare_engine.h"

#include "pdf/pdf.h"
#include "term/out.h"
#include "tty/fault.h"
#include "tty/interrupt.h"
#include "tty/show_progress.h"
#include "verbs/model_choice.h"
#include "verbs/pull.h"

static void no_output(void *user, const struct nb_output *out) { (void)user, (void)out; }

static void on_progress(void *user, const struct nb_progress *p)
{
    struct bare_engine *b = user;
    show_progress(&b->progress, p);
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

void bare_engine_init(struct bare_engine *b, const struct options *opt)
{
    *b = (struct bare_engine){.front = {.output = no_output,
                                        .progress = on_progress,
                                        .stopped = stopped,
                                        .begins = begins,
                                        .model_changed = model_changed,
                                        .draw_pdf = pdf_draw,
                                        .user = b,
                                        .standard_input = true}};
    options_copy(&b->opt, opt);
    engine_init(&b->engine, &b->front);
    progress_init(&b->progress, stderr, 0, false);
    interrupt_catch();
    if (opt->json) fault_as_json();
    interrupt_calls(cancel, &b->engine);
}

int bare_engine_open_model(struct bare_engine *b, struct phi3v_error *err)
{
    int rc = pull_offer(&b->opt, err);
    if (rc) return rc;
    rc = engine_open_local(&b->engine, model_choice_name(&b->opt), model_choice_dirs(), &b->opt.set,
                           err);
    if (!rc && b->engine.info->note && !b->opt.json) {
        struct out out;
        out_init(&out, stderr, NULL);
        out_format(&out, "phiscope: %s\n", b->engine.info->note);
    }
    return rc;
}

void bare_engine_fini(struct bare_engine *b)
{
    interrupt_calls(NULL, NULL);
    engine_close(&b->engine);
    options_free(&b->opt);
}

int bare_engine_load_picture(struct bare_engine *b, const char *what, enum nb_origin origin,
                             struct loaded *ret, struct phi3v_error *err)
{
    struct loader how = {.settings = &b->opt.set, .front = &b->front};
    return load_picture(what, &how, origin, ret, err);
}

int bare_engine_on_progress(const struct phi3v_event *event, void *user)
{
    struct bare_engine *b = user;
    return engine_on_event(event, &b->engine);
}
