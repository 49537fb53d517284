/* SPDX-License-Identifier: MIT */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

#include "common/json.h"
#include "net/url.h"
#include "notebook/ahead.h"
#include "notebook/autosave.h"
#include "notebook/cell_answer.h"
#include "notebook/features.h"
#include "notebook/prompt.h"
#include "notebook/refs.h"
#include "notebook/source.h"

/* -- What the next cell has ------------------------------------------------------------------- */

struct loader notebook_loader(const struct notebook *nb, const struct settings *s)
{
    const struct engine_kind *kind = nb->engine.kind;
    return (struct loader){
        .settings = s, .front = &nb->front, .keeps_files = kind && kind->sends_files};
}

int notebook_load_image(struct notebook *nb, int index, const struct settings *s,
                        struct phi3v_error *err)
{
    struct loader how = notebook_loader(nb, s);
    char *dir = book_dir(&nb->book);
    int rc = images_load(&nb->book.images, index, &how, dir, err);
    free(dir);
    return rc;
}

/* Sets the mode that nobody chose, once there is a model to ask. */
static int settle_mode(struct notebook *nb, struct phi3v_error *err)
{
    const struct engine *e = &nb->engine;
    if (strcmp(nb->book.base.mode, mode_of_model) != 0 || !e->info) return 0;
    const char *mode = e->advice.mode ? e->advice.mode : "chat";
    return settings_set(&nb->book.base, "mode", mode, SETTING_SHOWN, err);
}

static int refresh(struct notebook *nb, struct phi3v_error *err)
{
    struct inherited s;
    int rc = settle_mode(nb, err);
    if (!rc) rc = book_inherited(&nb->book, nb->book.n, &s, err);
    nb->behind = rc != 0;
    if (rc) return rc;
    settings_free(&nb->now);
    nb->now = s.settings;
    int_list_free(&s.staged);
    int_list_free(&s.above);
    return 0;
}

void notebook_refresh(struct notebook *nb) { (void)refresh(nb, NULL); }

int notebook_catch_up(struct notebook *nb, struct phi3v_error *err)
{
    return nb->behind ? refresh(nb, err) : 0;
}

/* -- Life ------------------------------------------------------------------------------------- */

/* A system turn is stored in files, like prompts, so secrets must go. */
static int forget_secrets(struct settings *s, struct phi3v_error *err)
{
    char *kept = nb_for_keeping(s->system);
    if (!kept) return memory_error(err);
    free(s->system);
    s->system = kept;
    return 0;
}

/* Only settings of cells differ from the usual ones. */
static int settings_for_opened(struct notebook *nb, const struct settings *of_cells,
                               struct phi3v_error *err)
{
    int rc = settings_copy(&nb->for_opened, of_cells ? of_cells : &nb->usual, err);
    if (!rc) rc = forget_secrets(&nb->for_opened, err);
    for (int i = 0; i < n_settings && !rc; i++) {
        if (setting_table[i].use & SETTING_CELL) continue;
        char *value = setting_value(&nb->usual, &setting_table[i]);
        rc = value ? setting_set_value(&nb->for_opened, &setting_table[i], value, err)
                   : memory_error(err);
        free(value);
    }
    return rc;
}

static bool wants_to_stop(void *engine) { return engine_stopped(engine); }

int nb_new(const struct nb_options *opt, const struct nb_front *front, struct notebook **ret,
           struct phi3v_error *err)
{
    struct notebook *nb = memory_zero(1, sizeof *nb);
    if (!nb) return memory_error(err);
    nb->front = *front;
    nb->model_dirs = opt->model_dirs;
    engine_init(&nb->engine, &nb->front);
    int rc = settings_copy(&nb->usual, opt->settings, err);
    if (!rc && opt->api_key && !(nb->engine.key = text_copy(opt->api_key))) rc = memory_error(err);
    if (!rc) rc = forget_secrets(&nb->usual, err);
    if (!rc) rc = settings_for_opened(nb, opt->for_opened, err);
    if (!rc) rc = book_init(&nb->book, &nb->usual, err);
    nb->stop = (struct stop){wants_to_stop, &nb->engine};
    nb->book.stop = &nb->stop;
    if (!rc) rc = settings_copy(&nb->now, &nb->usual, err);
    if (!rc) rc = autosave_open(nb, opt->state_dir, err);
    if (!rc && opt->state_dir && !(nb->state_dir = text_copy(opt->state_dir)))
        rc = memory_error(err);
    if (!rc && opt->cache_dir && !(nb->cache_dir = text_copy(opt->cache_dir)))
        rc = memory_error(err);
    if (!rc && opt->settings_file && !(nb->settings_file = text_copy(opt->settings_file)))
        rc = memory_error(err);
    nb->engine.price_dir = nb->cache_dir;
    if (rc)
        nb_free(nb);
    else
        *ret = nb;
    return rc;
}

int nb_open_model(struct notebook *nb, const char *name, struct phi3v_error *err)
{
    int rc = engine_open(&nb->engine, name, nb->model_dirs, &nb->now, err);
    json_count_failures(); /* from here on all JSON is ours: the library reads the model's itself */
    if (!rc) notebook_refresh(nb);
    if (!rc && nb->engine.info->note) note(nb, "(%s)", nb->engine.info->note);
    return rc;
}

void nb_free(struct notebook *nb)
{
    if (!nb) return;
    ahead_free(nb->ahead);
    autosave_close(nb);
    engine_close(&nb->engine);
    response_format_free(&nb->engine.format);
    if (nb->engine.key) explicit_bzero(nb->engine.key, strlen(nb->engine.key));
    free(nb->engine.key);
    book_free(&nb->book);
    settings_free(&nb->now);
    settings_free(&nb->usual);
    settings_free(&nb->for_opened);
    free(nb->cache_dir);
    free(nb->state_dir);
    free(nb->settings_file);
    free(nb->watched);
    strings_free(&nb->features);
    strings_free(&nb->own_files);
    free(nb->own_marks);
    free(nb);
}

int nb_bind(struct notebook *nb, json_t *schema, struct phi3v_error *err)
{
    return response_format_set(&nb->engine.format, schema, err);
}

void nb_cancel(struct notebook *nb) { engine_cancel(&nb->engine); }

/* -- Work ahead ------------------------------------------------------------------------------- */

void nb_typing(struct notebook *nb, const char *so_far)
{
    struct inherited s;
    struct question q;
    /* A command may change everything, so nothing is guessed. */
    if (!nb->now.ahead || !nb->engine.session || source_is_command(so_far)) return;
    if (!nb->ahead) nb->ahead = ahead_new(&nb->engine);
    if (!nb->ahead || book_inherited(&nb->book, nb->book.n, &s, NULL)) return;
    bool worth_it = inherited_pictures(&s)->n > 0 || (inherited_is_chat(&s) && nb->book.n > 0);
    if (worth_it && !prompt_build_ahead(nb, &s, &q, NULL)) {
        ahead_stop(nb->ahead); /* recalled features go into the model's cache */
        const struct int_list *pictures = inherited_pictures(&s);
        for (int k = 0; k < pictures->n; k++)
            features_recall(nb, nb->book.images.v[pictures->v[k]].loaded.image,
                            s.settings.num_crops);
        if (nb->book.n) features_recall_for(nb, nb->book.n - 1);
        ahead_read(nb->ahead, q.prompt);
        q.prompt = NULL;
        question_fini(&q);
    }
    inherited_free(&s);
}

bool nb_is_ready(struct notebook *nb) { return ahead_is_done(nb->ahead); }

bool nb_is_picture_file(const char *path) { return has_picture_name(path) && is_plain_file(path); }

char *nb_for_keeping(const char *source) { return url_text_without_secrets(source, NULL); }

/* -- Looking ---------------------------------------------------------------------------------- */

enum nb_complete nb_is_complete(const char *source)
{
    return source_incomplete(source) ? NB_INCOMPLETE : NB_COMPLETE;
}

int nb_n_cells(const struct notebook *nb) { return nb->book.n; }

static const struct cell *cell_of(const struct notebook *nb, int cell)
{
    return cell >= 1 && cell <= nb->book.n ? &nb->book.v[cell - 1] : NULL;
}

const char *nb_cell_prompt(const struct notebook *nb, int cell)
{
    const struct cell *c = cell_of(nb, cell);
    return c ? c->prompt : "";
}

const char *nb_cell_answer(const struct notebook *nb, int cell)
{
    const struct cell *c = cell_of(nb, cell);
    return c ? c->answer : NULL;
}

void nb_show_again(struct notebook *nb, int cell)
{
    const struct cell *c = cell_of(nb, cell);
    if (c) cell_show_again(nb, cell - 1);
}

char *nb_staged(struct notebook *nb, int cell)
{
    struct inherited s = {0};
    struct text t = {0};
    const struct cell *c = cell_of(nb, cell);
    if (!c && book_inherited(&nb->book, nb->book.n, &s, NULL)) return NULL;
    const struct int_list *list = c ? &c->images : inherited_pictures(&s);
    for (int k = 0; k < list->n; k++) {
        char label[64];
        text_addf(&t, "%s%s", k ? " " : "",
                  image_label(&nb->book.images, list->v[k], label, sizeof label));
    }
    if (!c) inherited_free(&s);
    return text_take(&t);
}

const struct phi3v_model_info *nb_model(const struct notebook *nb) { return nb->engine.info; }

const struct settings *nb_settings(const struct notebook *nb) { return &nb->now; }

double nb_load_s(const struct notebook *nb) { return nb->engine.load_s; }

void nb_tell_left_behind(struct notebook *nb) { autosave_tell(nb); }

int nb_leave(struct notebook *nb, struct phi3v_error *err) { return autosave_leave(nb, err); }

char *nb_latest_left_behind(struct notebook *nb) { return autosave_latest(nb); }
