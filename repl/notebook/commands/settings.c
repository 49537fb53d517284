/* SPDX-License-Identifier: MIT
 * Commands that change settings: :set :system :mode :model. Settings of cells are only checked
 * here; they take effect as lines of the next cell (notebook/lines). */
#include <stdlib.h>
#include <string.h>

#include "notebook/autosave.h"
#include "notebook/commands.h"
#include "notebook/lines.h"
#include "notebook/run.h"
#include "notebook/settings_file.h"

/* -- :set ------------------------------------------------------------------------------------- */

static void say_setting(struct notebook *nb, const struct settings *now,
                        const struct settings *fresh, const struct setting *spec)
{
    char *value = setting_value(now, spec), *usual = setting_value(fresh, spec);
    char *name = setting_name(spec);
    if (value && usual && name) {
        bool same = !strcmp(value, usual);
        report(nb, "%c %-19s %s%s%s%s   %s\n", same ? ' ' : '*', name, *value ? value : "-",
               same ? "" : "   (default ",
               same     ? ""
               : *usual ? usual
                        : "-",
               same ? "" : ")", spec->help);
    }
    free(name);
    free(value);
    free(usual);
}

static int say_settings(struct call *c, const struct setting *only, struct phi3v_error *err)
{
    struct settings fresh;
    int rc = settings_init(&fresh, err);
    for (int i = 0; i < n_settings && !rc; i++)
        if (only ? &setting_table[i] == only : setting_table[i].use & SETTING_SHOWN)
            say_setting(c->nb, c->settings, &fresh, &setting_table[i]);
    settings_free(&fresh);
    c->shows_only = true;
    return rc;
}

/* Display settings belong to the notebook and take effect at once. */
static int set_shown(struct notebook *nb, const char *key, const char *value,
                     struct phi3v_error *err)
{
    int rc = settings_set(&nb->book.base, key, value, SETTING_SHOWN, err);
    if (rc) return rc;
    notebook_refresh(nb);
    if (nb->front.settings_changed) nb->front.settings_changed(nb->front.user, &nb->now);
    return rc;
}

static int check(struct call *c, const char *key, const char *value, struct phi3v_error *err)
{
    struct settings trial;
    int rc = settings_copy(&trial, c->settings, err);
    if (rc) return rc;
    rc = c->origin == NB_TYPED ? settings_set(&trial, key, value, SETTING_SHOWN, err)
                               : settings_set_from_file(&trial, key, value, err);
    settings_free(&trial);
    return rc;
}

static int set(struct call *c, const char *key, const char *value, struct phi3v_error *err)
{
    const struct setting *spec = setting_find(key, SETTING_SHOWN);
    if (!value && spec) return say_settings(c, spec, err);
    if (spec && spec->use & SETTING_LOAD && c->origin == NB_TYPED)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%s is fixed once the model is loaded: start with --%s", key, spec->name);
    int rc = check(c, key, value ? value : "", err);
    if (rc || spec->use & SETTING_CELL) return rc;
    c->shows_only = true;
    return set_shown(c->nb, key, value, err);
}

static const char *mode_by(const struct engine *e)
{
    return e->advice.mode ? e->advice.mode : "chat";
}

/* Whether nobody chose the mode, so that it is the model's. */
static bool mode_is_model_s(const struct notebook *nb)
{
    return nb->engine.info && !strcmp(nb->usual.mode, mode_of_model) &&
           !strcmp(nb->now.mode, mode_by(&nb->engine));
}

/* Keeps what differs from the defaults for later notebooks. */
static int save(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    struct settings kept;
    char *names;
    c->shows_only = true;
    if (c->origin != NB_TYPED)
        return refuse(err, PHI3V_E_ARGUMENT, "a cell from a file does not save settings");
    if (!nb->settings_file)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "settings are saved from a notebook in a terminal "
                      "that has a home folder");
    int rc = settings_copy(&kept, c->settings, err);
    if (rc) return rc;
    if (mode_is_model_s(nb)) {
        free(kept.mode);
        kept.mode = text_copy(mode_of_model);
        if (!kept.mode) rc = memory_error(err);
    }
    if (!rc) rc = settings_file_write(&kept, nb->settings_file, &names, err);
    settings_free(&kept);
    if (rc) return rc;
    report_about(nb, nb->settings_file, "%s: kept in %s\n",
                 *names ? names : "nothing differs from the defaults", nb->settings_file);
    free(names);
    return 0;
}

int command_set(struct call *c, struct phi3v_error *err)
{
    if (!*c->args) return say_settings(c, NULL, err);
    if (!strcmp(c->args, "--save")) return save(c, err);
    char *key, *value;
    int rc = setting_words(c->args, &key, &value, err);
    if (rc) return rc;
    rc = set(c, key, value, err);
    free(key);
    free(value);
    return rc;
}

/* -- :system, :mode --------------------------------------------------------------------------- */

int command_system(struct call *c, struct phi3v_error *err)
{
    (void)err;
    c->shows_only = !*c->args;
    if (c->shows_only)
        report(c->nb, "%s\n", *c->settings->system ? c->settings->system : "no system turn");
    return 0;
}

int command_mode(struct call *c, struct phi3v_error *err)
{
    c->shows_only = !*c->args;
    if (!c->shows_only) return check(c, "mode", c->args, err);
    report(c->nb, "%s\n", c->settings->mode);
    return 0;
}

/* -- :model ----------------------------------------------------------------------------------- */

/* From the next cell on, the mode that nobody chose is the new model's. */
static int follow_model(struct notebook *nb, struct phi3v_error *err)
{
    static const struct int_list none = {0};
    const char *mode = mode_by(&nb->engine);
    if (!strcmp(nb->now.mode, mode)) return 0;
    if (!nb->book.n) {
        int rc = settings_set(&nb->book.base, "mode", mode, SETTING_SHOWN, err);
        if (!rc) notebook_refresh(nb);
        return rc;
    }
    char *line = text_format(":mode %s", mode);
    bool added = line && lines_add(&nb->book.pending, line, NB_TYPED, &none);
    free(line);
    if (!added) return memory_error(err);
    note(nb, "(mode %s from here on, as the model's folder says)", mode);
    notebook_refresh(nb);
    return 0;
}

int command_model(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    if (!*c->args) return command_info(c, err);
    struct words words;
    int rc = load_words(c->args, &words, err);
    if (rc) return rc;
    bool by_model = mode_is_model_s(nb);
    rc = words.n == 1 ? engine_open(&nb->engine, words.v[0].text, nb->model_dirs, &nb->now, err)
                      : refuse(err, PHI3V_E_ARGUMENT,
                               ":model needs one name or address; quote names with blanks");
    words_free(&words);
    if (rc) return rc;
    if (by_model && (rc = follow_model(nb, err))) return rc;
    const struct phi3v_model_info *info = nb->engine.info;
    report(nb, "model %s, %s\n", info->name, info->device);
    if (info->note) note(nb, "(%s)", info->note);
    return 0;
}
