/* SPDX-License-Identifier: MIT */
#include <stdlib.h>
#include <string.h>

#include "notebook/autosave.h"
#include "notebook/begin.h"
#include "notebook/cell_answer.h"
#include "notebook/commands.h"
#include "notebook/diff.h"
#include "notebook/fork.h"
#include "notebook/lines.h"
#include "notebook/prompt.h"
#include "notebook/run.h"

/* -- Settings of one run ---------------------------------------------------------------------- */

/* Replaces an earlier value of the key. */
static int override(struct cell *c, struct settings *s, const char *key, const char *value,
                    struct phi3v_error *err)
{
    const struct setting *spec = setting_find(key, SETTING_ANSWER);
    int rc = settings_set(s, key, value, SETTING_ANSWER, err);
    if (rc) return rc;
    char *name = setting_name(spec);
    size_t n = name ? strlen(name) : 0, kept = 0;
    for (size_t k = 0; name && k < c->overrides.n; k++) {
        char *pair = c->overrides.v[k];
        if (!strncmp(pair, name, n) && pair[n] == '=')
            free(pair);
        else
            c->overrides.v[kept++] = pair;
    }
    c->overrides.n = kept;
    bool added = name && strings_take(&c->overrides, text_format("%s=%s", name, value));
    free(name);
    return added ? 0 : memory_error(err);
}

static int override_pairs(struct cell *c, struct settings *s, const struct strings *pairs,
                          struct phi3v_error *err)
{
    int rc = 0;
    for (size_t k = 0; pairs && k < pairs->n && !rc; k++) {
        const char *equal = strchr(pairs->v[k], '=');
        if (!equal) return refuse(err, PHI3V_E_ARGUMENT, "key=value, not \"%.60s\"", pairs->v[k]);
        char *key = text_copyn(pairs->v[k], (size_t)(equal - pairs->v[k]));
        rc = key ? override(c, s, key, equal + 1, err) : memory_error(err);
        free(key);
    }
    return rc;
}

/* :more continues an answer under the settings that it began with. */
static int override_as_before(const struct cell *c, struct settings *s, struct phi3v_error *err)
{
    int rc = 0;
    for (size_t k = 0; k < c->overrides.n && !rc; k++) {
        char *key, *value;
        rc = setting_words(c->overrides.v[k], &key, &value, err);
        if (rc) return rc;
        if (value) rc = settings_set(s, key, value, SETTING_ANSWER, err);
        free(key);
        free(value);
    }
    return rc;
}

/* Settings of sampling made since the last cell also apply to cells that are run now. */
static int override_pending(struct notebook *nb, struct cell *c, struct settings *s,
                            struct phi3v_error *err)
{
    int rc = 0;
    for (int k = 0; k < nb->book.pending.n && !rc; k++) {
        char *key, *value;
        const char *text = nb->book.pending.v[k].text;
        if (strncmp(text, ":set ", 5) != 0) continue;
        rc = setting_words(text + 5, &key, &value, err);
        if (rc) return rc;
        const struct setting *spec = setting_find(key, SETTING_ANSWER);
        if (value && spec && !(spec->use & SETTING_PROMPT)) rc = override(c, s, key, value, err);
        free(key);
        free(value);
    }
    return rc;
}

/* -- Cells ------------------------------------------------------------------------------------ */

/* Errors after which a new cell stays in the notebook, marked: the prompt was fine, but the machine
 * failed. */
static bool keeps_cell(int rc) { return rc == PHI3V_E_DEVICE || rc == PHI3V_E_UNSUPPORTED; }

/* Computes the state at cell i, with its own lines, and loads its pictures if needed. */
static int ready(struct notebook *nb, int i, struct inherited *ret, struct phi3v_error *err)
{
    struct cell *c = &nb->book.v[i];
    int rc = book_inherited(&nb->book, i, ret, err);
    if (rc) return rc;
    rc = commands_at_head(nb, c, ret, err);
    if (rc) inherited_free(ret);
    return rc;
}

static void give_back(struct notebook *nb, int n_images, bool changed)
{
    book_take_back(&nb->book);
    images_truncate(&nb->book.images, n_images);
    nb->book.changed = changed;
}

/* Runs cell i as it is now; it has been remembered for :undo. */
static int run(struct notebook *nb, int i, const struct strings *pairs, bool again, bool go_on,
               struct phi3v_error *err)
{
    struct cell *c = &nb->book.v[i];
    struct inherited s;
    engine_begin(&nb->engine);
    int rc = ready(nb, i, &s, err);
    if (rc) return rc;
    if (go_on)
        rc = override_as_before(c, &s.settings, err);
    else
        strings_free(&c->overrides);
    if (again && !rc) rc = override_pending(nb, c, &s.settings, err);
    if (!rc) rc = override_pairs(c, &s.settings, pairs, err);
    if (!rc && (!go_on || !c->text)) rc = prompt_expand(nb, i, &s, err);
    size_t n_begun = 0;
    if (!rc && !go_on) rc = answer_begin(nb, i, &n_begun, err);
    if (!rc)
        rc = cell_answer(nb, i, &s.settings,
                         go_on     ? ANSWER_MORE
                         : n_begun ? ANSWER_BEGUN
                                   : ANSWER_NEW,
                         err);
    inherited_free(&s);
    return rc;
}

static int finish(struct notebook *nb, int i, int rc)
{
    autosave_cell(nb, i);
    return rc;
}

/* Adds a cell, which :undo removes. */
static int new_cell(struct notebook *nb, const char *prompt, enum nb_origin origin,
                    struct phi3v_error *err)
{
    struct book *b = &nb->book;
    char *copy = text_copy(prompt);
    int rc = copy ? book_remember(b, b->n, err) : memory_error(err);
    struct cell *c = rc ? NULL : book_append(b);
    if (!rc && !c) {
        book_forget_last(b);
        rc = memory_error(err);
    }
    if (rc) {
        free(copy);
        return rc;
    }
    c->prompt = copy;
    c->prompt_origin = origin;
    return 0;
}

int run_new(struct notebook *nb, const char *prompt, enum nb_origin origin, struct phi3v_error *err)
{
    struct book *b = &nb->book;
    int i = b->n, n_images = b->images.n;
    bool changed = b->changed;
    int rc = new_cell(nb, prompt, origin, err);
    if (rc) return rc;
    b->v[i].lines = b->pending;
    b->pending = (struct lines){0};
    rc = run(nb, i, NULL, false, false, err);
    if (rc < 0 && !keeps_cell(rc)) {
        give_back(nb, n_images, changed);
        return rc;
    }
    if (rc < 0) b->v[i].error = text_copy(err->text);
    return finish(nb, i, rc);
}

int run_fork(struct notebook *nb, int of, const char *line, enum nb_origin origin,
             struct phi3v_error *err)
{
    static const struct int_list none = {0};
    struct book *b = &nb->book;
    int i = b->n, n_images = b->images.n;
    bool changed = b->changed;
    struct strings pairs = {0};
    int rc = new_cell(nb, b->v[of].prompt, b->v[of].prompt_origin, err);
    if (rc) return rc;
    struct cell *c = &b->v[i];
    if (!fork_lines(nb, of, &c->lines) || !lines_add(&c->lines, line, origin, &none) ||
        !strings_copy(&pairs, &b->v[of].overrides))
        rc = memory_error(err);
    if (!rc) rc = run(nb, i, &pairs, false, false, err);
    strings_free(&pairs);
    if (rc < 0) {
        lines_free(&b->v[i].lines); /* otherwise they would become pending */
        give_back(nb, n_images, changed);
        return rc;
    }
    return finish(nb, i, rc);
}

int run_again(struct notebook *nb, int i, const struct strings *pairs, struct phi3v_error *err)
{
    int n_images = nb->book.images.n;
    bool changed = nb->book.changed;
    int rc = book_remember(&nb->book, i, err);
    if (rc) return rc;
    rc = run(nb, i, pairs, true, false, err);
    if (rc < 0) {
        give_back(nb, n_images, changed);
        return rc;
    }
    return finish(nb, i, rc);
}

/* Runs a cell with a new prompt, and with lines added to or replacing its own. */
static int run_changed(struct notebook *nb, int i, const char *prompt, enum nb_origin origin,
                       struct lines *lines, bool replace, struct phi3v_error *err)
{
    int n_images = nb->book.images.n;
    bool changed = nb->book.changed;
    char *copy = text_copy(prompt);
    int rc = copy ? book_remember(&nb->book, i, err) : memory_error(err);
    if (rc) {
        free(copy);
        return rc;
    }
    struct cell *c = &nb->book.v[i];
    free(c->prompt);
    c->prompt = copy;
    c->prompt_origin = origin;
    if (replace) lines_free(&c->lines);
    rc = lines_join(&c->lines, lines, false) ? run(nb, i, NULL, true, false, err)
                                             : memory_error(err);
    if (rc < 0) {
        give_back(nb, n_images, changed);
        return rc;
    }
    return finish(nb, i, rc);
}

int run_edited(struct notebook *nb, int i, const char *prompt, enum nb_origin origin,
               struct lines *more, struct phi3v_error *err)
{
    return run_changed(nb, i, prompt, origin, more, false, err);
}

int run_replaced(struct notebook *nb, int i, const char *prompt, enum nb_origin origin,
                 struct lines *lines, struct phi3v_error *err)
{
    return run_changed(nb, i, prompt, origin, lines, true, err);
}

int run_more(struct notebook *nb, int i, struct phi3v_error *err)
{
    const struct cell *c = &nb->book.v[i];
    bool changed = nb->book.changed;
    if (!c->answer)
        return refuse(err, PHI3V_E_ARGUMENT, "cell %d has no answer to go on from: :run %d", i + 1,
                      i + 1);
    if (c->finish == PHI3V_FINISH_STOP)
        return refuse(err, PHI3V_E_ARGUMENT, "the answer of cell %d is complete", i + 1);
    int rc = book_remember(&nb->book, i, err);
    if (rc) return rc;
    rc = run(nb, i, NULL, true, true, err);
    if (rc < 0) {
        give_back(nb, nb->book.images.n, changed);
        return rc;
    }
    return finish(nb, i, rc);
}

void run_tell_changes(struct notebook *nb, const char *before, const char *after)
{
    enum { SHORT = 300 }; /* bytes: a few lines */
    struct diff d;
    if (strlen(before) > SHORT || strlen(after) > SHORT || diff_words(before, after, &d, NULL))
        return;
    size_t n[3] = {0}; /* bytes that stay, are removed, are added */
    for (int k = 0; k < d.n; k++) n[d.v[k].kind] += d.v[k].n_bytes;
    bool all = !n[NB_GONE] && !n[NB_NEW];
    /* If less stays than changes, the answer itself is quicker to read. */
    bool worth_it = n[NB_SAME] > n[NB_GONE] && n[NB_SAME] > n[NB_NEW];
    char *text = worth_it && !all ? diff_text(&d) : NULL;
    for (char *p = text; p && *p; p++)
        if (*p == '\n') *p = ' ';
    if (text) note(nb, "(%s)", text);
    if (all) note(nb, "(the same answer)");
    free(text);
    diff_free(&d);
}

void run_tell_stale(struct notebook *nb, int i)
{
    struct book *b = &nb->book;
    int first = 0, last = 0;
    enum cell_state *state = memory_zero((size_t)b->n, sizeof *state);
    if (state && !book_states(b, state, NULL))
        for (int k = i + 1; k < b->n; k++) {
            if (state[k] != CELL_STALE) continue;
            if (!first) first = k + 1;
            last = k + 1;
        }
    free(state);
    if (first && first == last) note(nb, "(cell %d is stale now; :run %d)", first, first);
    if (first < last) note(nb, "(cells %d-%d are stale now; :run %d-%d)", first, last, first, last);
}
