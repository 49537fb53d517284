/* SPDX-License-Identifier: MIT
 * Commands about cells: :cells :edit :run :retry :more :undo :redo :reset */
#include <stdlib.h>
#include <string.h>

#include "notebook/autosave.h"
#include "notebook/commands.h"
#include "notebook/run.h"
#include "notebook/source.h"

int cell_index(const struct notebook *nb, const char *word, int *ret_index, struct phi3v_error *err)
{
    int first, last, rc = range_parse(*word ? word : "_", nb->book.n, &first, &last, err);
    if (rc) return rc;
    if (first != last) return refuse(err, PHI3V_E_ARGUMENT, "one cell, not %.40s", word);
    *ret_index = first - 1;
    return 0;
}

/* -- :cells ----------------------------------------------------------------------------------- */

enum { LINE_BYTES = 100 };

/* Reports the first line of a text, shortened. */
static void say_begin(struct notebook *nb, const char *label, const char *s)
{
    size_t n = strcspn(s, "\n");
    bool more = s[n] != 0;
    if (n > LINE_BYTES) {
        n = LINE_BYTES;
        more = true;
        while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80) n--; /* not inside a character */
    }
    report(nb, "%s%.*s%s\n", label, (int)n, s, more ? " …" : "");
}

static void say_cell(struct notebook *nb, int i, enum cell_state state)
{
    const struct cell *c = &nb->book.v[i];
    char label[64];
    snprintf(label, sizeof label, "In [%d] %s: ", i + 1, state_name(state));
    say_begin(nb, label, c->prompt);
    snprintf(label, sizeof label, "Out[%d]: ", i + 1);
    if (c->answer) say_begin(nb, label, c->answer);
    if (c->error) say_begin(nb, "  error: ", c->error);
}

int command_cells(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    int first, last;
    if (!nb->book.n && !*c->args) {
        report(nb, "no cells yet\n");
        return 0;
    }
    int rc = range_parse(*c->args ? c->args : "all", nb->book.n, &first, &last, err);
    if (rc) return rc;
    enum cell_state *state = memory_zero((size_t)nb->book.n, sizeof *state);
    rc = state ? book_states(&nb->book, state, err) : memory_error(err);
    for (int i = first - 1; !rc && i < last; i++) say_cell(nb, i, state[i]);
    free(state);
    return rc;
}

/* -- :edit ------------------------------------------------------------------------------------ */

/* Refuses a text without a prompt; in particular another :edit. */
static int check_text(int number, const char *text, struct phi3v_error *err)
{
    struct source s;
    int rc = source_read(text, &s, err);
    if (rc) return rc;
    if (!*s.prompt)
        rc = refuse(err, PHI3V_E_ARGUMENT,
                    ":edit %d needs a prompt behind its commands; ::text begins with a colon",
                    number);
    source_free(&s);
    return rc;
}

int command_edit(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    size_t n = strcspn(c->args, " \t\n");
    const char *text = c->args + n + (c->args[n] != 0);
    char *word = text_copyn(c->args, n);
    int i, rc = word ? cell_index(nb, word, &i, err) : memory_error(err);
    free(word);
    if (rc) return rc;
    if (*text) {
        struct nb_result result;
        rc = check_text(i + 1, text, err);
        if (rc) return rc;
        rc = nb_edit(nb, i + 1, text, c->origin, &result, err);
        return rc ? rc : result.interrupted;
    }
    if (!nb->front.next_input)
        return refuse(err, PHI3V_E_ARGUMENT, ":edit %d needs the new text here", i + 1);
    char *source = source_of_prompt(nb->book.v[i].prompt);
    if (!source) return memory_error(err);
    nb->front.next_input(nb->front.user, i + 1, source);
    free(source);
    return 0;
}

/* -- :run, :retry, :more ---------------------------------------------------------------------- */

static int run_range(struct notebook *nb, int first, int last, const struct strings *pairs,
                     struct phi3v_error *err)
{
    int rc = 0;
    for (int i = first - 1; i < last && !rc; i++) {
        if (first != last && !nb->front.one_at_a_time) {
            char label[32];
            snprintf(label, sizeof label, "In [%d]: ", i + 1);
            say_begin(nb, label, nb->book.v[i].prompt);
        }
        rc = run_again(nb, i, pairs, err);
    }
    if (rc >= 0) run_tell_stale(nb, last - 1);
    return rc;
}

/* Checks all pairs before anything runs. */
static int check_pairs(const struct notebook *nb, const struct strings *pairs,
                       struct phi3v_error *err)
{
    struct settings trial;
    int rc = settings_copy(&trial, &nb->now, err);
    if (rc) return rc;
    for (size_t k = 0; k < pairs->n && !rc; k++) {
        const char *equal = strchr(pairs->v[k], '=');
        char *key = equal ? text_copyn(pairs->v[k], (size_t)(equal - pairs->v[k])) : NULL;
        rc = !equal ? refuse(err, PHI3V_E_ARGUMENT, "key=value, not \"%.60s\"", pairs->v[k])
             : key  ? settings_set(&trial, key, equal + 1, SETTING_ANSWER, err)
                    : memory_error(err);
        free(key);
    }
    settings_free(&trial);
    return rc;
}

int command_run(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    struct words words;
    struct strings pairs = {0};
    int first, last, rc = words_split(c->args, &words, err);
    if (rc) return rc;
    bool whole = true;
    for (size_t k = 1; k < words.n; k++) whole &= strings_add(&pairs, words.v[k].text);
    if (!whole)
        rc = memory_error(err);
    else if (!words.n)
        rc = refuse(err, PHI3V_E_ARGUMENT, ":run needs cells: 3, 2-5, 4-, all or _");
    else
        rc = range_parse(words.v[0].text, nb->book.n, &first, &last, err);
    if (!rc) rc = check_pairs(nb, &pairs, err);
    if (!rc) rc = run_range(nb, first, last, &pairs, err);
    strings_free(&pairs);
    words_free(&words);
    return rc;
}

/* Settings that make the answer differ from the last one. */
static int pairs_for_retry(const struct notebook *nb, int i, struct strings *pairs,
                           struct phi3v_error *err)
{
    struct inherited s;
    int rc = book_inherited(&nb->book, i, &s, err);
    if (rc) return rc;
    rc = inherited_apply(&s, &nb->book.v[i].lines, err);
    bool greedy = s.settings.temperature <= 0 && nb->now.temperature <= 0;
    inherited_free(&s);
    if (rc) return rc;
    unsigned long long seed = nb->book.v[i].seed + 1;
    bool whole = strings_take(pairs, text_format("seed=%llu", seed));
    if (greedy) whole &= strings_add(pairs, "temperature=0.7");
    if (greedy && whole)
        report((struct notebook *)(uintptr_t)nb, "(at temperature 0.7, seed %llu)\n", seed);
    return whole ? 0 : memory_error(err);
}

int command_retry(struct call *c, struct phi3v_error *err)
{
    int i, rc = cell_index(c->nb, c->args, &i, err);
    if (rc) return rc;
    struct strings pairs = {0};
    rc = pairs_for_retry(c->nb, i, &pairs, err);
    if (!rc) rc = run_again(c->nb, i, &pairs, err);
    strings_free(&pairs);
    if (rc >= 0) run_tell_stale(c->nb, i);
    return rc;
}

int command_more(struct call *c, struct phi3v_error *err)
{
    int i, rc = cell_index(c->nb, c->args, &i, err);
    if (!rc) rc = run_more(c->nb, i, err);
    if (rc >= 0) run_tell_stale(c->nb, i);
    return rc;
}

/* -- :undo, :redo, :reset ---------------------------------------------------------------------------- */

static int take_step(struct notebook *nb, bool forward, struct phi3v_error *err)
{
    int number = 0;
    /* If another notebook is restored, unsaved cells are left behind. */
    if (book_aside(&nb->book, forward) && nb->book.changed && nb->book.n > 0)
        autosave_apart(nb, NULL);
    enum book_undone what = forward ? book_redo(&nb->book, &number) : book_undo(&nb->book, &number);
    if (what == BOOK_NOTHING)
        return refuse(err, PHI3V_E_ARGUMENT, "nothing to %s", forward ? "do again" : "take back");
    notebook_refresh(nb);
    if (what == BOOK_CELL_THERE) report(nb, "cell %d is there again\n", number);
    if (what == BOOK_CELL_GONE) report(nb, "cell %d is gone\n", number);
    if (what == BOOK_CELL_BACK) report(nb, "cell %d is as it was\n", number);
    if (what == BOOK_ALL_BACK)
        report(nb, "the notebook from %s is back: %d cell%s\n", forward ? "then" : "before",
               nb->book.n, nb->book.n == 1 ? "" : "s");
    if (what == BOOK_CELL_BACK || what == BOOK_CELL_THERE)
        autosave_cell(nb, number - 1);
    else
        autosave_whole(nb);
    return 0;
}

int command_undo(struct call *c, struct phi3v_error *err) { return take_step(c->nb, false, err); }

int command_redo(struct call *c, struct phi3v_error *err) { return take_step(c->nb, true, err); }

/* Keeps the pictures, and the staged ones staged. */
static int keep_pictures(struct notebook *nb, struct book *fresh, struct phi3v_error *err)
{
    struct inherited s;
    int rc = book_inherited(&nb->book, nb->book.n, &s, err);
    if (rc) return rc;
    rc = images_copy(&fresh->images, &nb->book.images, err);
    for (int k = 0; k < s.staged.n && !rc; k++) {
        int index = s.staged.v[k];
        char *line = image_line(&nb->book.images, index);
        bool added = line && lines_add(&fresh->pending, line, nb->book.images.v[index].origin,
                                       &(struct int_list){&index, 1});
        free(line);
        if (!added) rc = memory_error(err);
    }
    inherited_free(&s);
    return rc;
}

int command_reset(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    bool all = !strcmp(c->args, "all");
    if (*c->args && !all) return refuse(err, PHI3V_E_ARGUMENT, ":reset or :reset all");
    struct book fresh;
    bool unsaved = nb->book.changed && nb->book.n > 0;
    int rc = book_init(&fresh, all ? &nb->usual : &nb->now, err);
    if (!rc && !all) rc = keep_pictures(nb, &fresh, err);
    if (!rc) rc = book_replace(&nb->book, &fresh, err);
    book_free(&fresh);
    if (rc) return rc;
    notebook_refresh(nb);
    engine_forget(&nb->engine);
    autosave_apart(nb, book_aside(&nb->book, false));
    if (unsaved) note(nb, "(:undo brings the cells back)");
    if (nb->front.settings_changed) nb->front.settings_changed(nb->front.user, &nb->now);
    return 0;
}
