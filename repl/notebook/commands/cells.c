/* SPDX-License-Identifier: GPL-3.0-or-later
 * Commands about cells: :cells :edit :run :retry :more :undo :reset */
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"
#include "notebook/words.h"

int cell_index(const struct repl *r, const char *word, int *ret_index, struct phi3v_error *err)
{
    int first, last, rc = range_parse(word, r->book.n, &first, &last, err);
    if (rc) return rc;
    if (first != last) return refuse(err, PHI3V_E_ARGUMENT, "one cell, not %.40s", word);
    *ret_index = first - 1;
    return 0;
}

static int optional_cell(const struct repl *r, const char *word, int *ret_index,
                         struct phi3v_error *err)
{
    return cell_index(r, *word ? word : "_", ret_index, err);
}

/* -- :cells --------------------------------------------------------------------------------- */

enum { LINE_BYTES = 100 };

/* The beginning of a text on one line. */
static void say_begin(struct repl *r, const char *label, const char *s)
{
    size_t n = strcspn(s, "\n");
    bool more = s[n] != 0;
    if (n > LINE_BYTES) {
        n = LINE_BYTES;
        more = true;
        while (n > 0 && ((unsigned char)s[n] & 0xC0) == 0x80) n--; /* not inside a letter */
    }
    char *line = xasprintf("%.*s%s", (int)n, s, more ? " …" : "");
    fputs(label, r->say);
    say_name(r, line);
    fputc('\n', r->say);
    free(line);
}

static void say_cell(struct repl *r, int i)
{
    const struct cell *c = &r->book.v[i];
    char label[64];
    snprintf(label, sizeof label, "In [%d] %s: ", i + 1,
             state_name(book_state(&r->book, i, r->app.opt.system)));
    say_begin(r, label, c->typed);
    snprintf(label, sizeof label, "Out[%d]: ", i + 1);
    if (c->answer) say_begin(r, label, c->answer);
    if (c->error) say_begin(r, "  error: ", c->error);
}

int command_cells(struct repl *r, char *args, struct phi3v_error *err)
{
    int first, last;
    if (!r->book.n && !*args) {
        fprintf(r->say, "no cells yet\n");
        return 0;
    }
    int rc = range_parse(*args ? args : "all", r->book.n, &first, &last, err);
    for (int i = first - 1; !rc && i < last; i++) say_cell(r, i);
    return rc;
}

/* -- :edit ---------------------------------------------------------------------------------- */

int command_edit(struct repl *r, char *args, struct phi3v_error *err)
{
    size_t n = strcspn(args, " \t\n");
    char *text = args + n;
    if (*text) *text++ = 0;
    int i, rc = optional_cell(r, args, &i, err);
    if (rc) return rc;
    if (*text) {
        rc = run_edited(r, i, text, err);
        if (rc >= 0) run_tell_stale(r, i);
        return rc;
    }
    if (!r->line) return refuse(err, PHI3V_E_ARGUMENT, ":edit %d wants the new text here", i + 1);
    r->editing = i + 1;
    free(r->returned);
    r->returned = line_of_typed(r->book.v[i].typed);
    return 0;
}

/* -- :run, :retry, :more -------------------------------------------------------------------- */

/* Sets "key=value" words in opt. */
static int set_pairs(struct options *opt, const struct strings *words, size_t from,
                     struct phi3v_error *err)
{
    int rc = 0;
    for (size_t k = from; k < words->n && !rc; k++) {
        const char *equal = strchr(words->v[k], '=');
        if (!equal) return refuse(err, PHI3V_E_ARGUMENT, "key=value, not \"%.60s\"", words->v[k]);
        char *key = xstrndup(words->v[k], (size_t)(equal - words->v[k]));
        rc = options_set(opt, key, equal + 1, OPTION_ANSWER, err);
        free(key);
    }
    return rc;
}

/* Cell i with the settings as its own commands leave them, and the pairs behind the range. */
static int run_with(struct repl *r, int i, const struct strings *words, struct phi3v_error *err)
{
    int rc = run_commands(r, i, err);
    if (rc) return rc;
    struct options opt;
    options_copy(&opt, &r->app.opt);
    rc = set_pairs(&opt, words, 1, err);
    if (!rc) rc = run_again(r, i, &opt, err);
    options_free(&opt);
    return rc;
}

static int run_range(struct repl *r, int first, int last, const struct strings *words,
                     struct phi3v_error *err)
{
    int rc = 0;
    for (int i = first - 1; i < last && !rc; i++) {
        if (!r->script && first != last) {
            char label[32];
            snprintf(label, sizeof label, "In [%d]: ", i + 1);
            say_begin(r, label, r->book.v[i].typed);
        }
        rc = run_with(r, i, words, err);
    }
    if (rc >= 0) run_tell_stale(r, last - 1);
    return rc;
}

int command_run(struct repl *r, char *args, struct phi3v_error *err)
{
    struct strings words;
    struct options opt;
    int first, last, rc;
    words_split(args, &words);
    options_copy(&opt, &r->app.opt);
    if (!words.n)
        rc = refuse(err, PHI3V_E_ARGUMENT, ":run wants cells: 3, 2-5, 4-, all or _");
    else
        rc = range_parse(words.v[0], r->book.n, &first, &last, err);
    if (!rc) rc = set_pairs(&opt, &words, 1, err);
    if (!rc) rc = run_range(r, first, last, &words, err);
    options_free(&opt);
    strings_free(&words);
    return rc;
}

int command_retry(struct repl *r, char *args, struct phi3v_error *err)
{
    int i, rc = optional_cell(r, args, &i, err);
    if (!rc) rc = run_commands(r, i, err);
    if (rc) return rc;
    struct options opt;
    options_copy(&opt, &r->app.opt);
    opt.seed = r->book.v[i].seed + 1;
    if (opt.temperature <= 0) {
        opt.temperature = 0.7; /* the most probable token again would be the same answer again */
        fprintf(r->say, "(at temperature 0.7, seed %llu)\n", (unsigned long long)opt.seed);
    }
    rc = run_again(r, i, &opt, err);
    if (rc >= 0) run_tell_stale(r, i);
    options_free(&opt);
    return rc;
}

int command_more(struct repl *r, char *args, struct phi3v_error *err)
{
    int i, rc = optional_cell(r, args, &i, err);
    if (!rc) rc = run_more(r, i, err);
    if (rc >= 0) run_tell_stale(r, i);
    return rc;
}

/* -- :undo, :reset -------------------------------------------------------------------------- */

int command_undo(struct repl *r, char *args, struct phi3v_error *err)
{
    (void)args;
    int number = book_undo(&r->book);
    if (!number) return refuse(err, PHI3V_E_ARGUMENT, "nothing to take back");
    if (number > r->book.n)
        fprintf(r->say, "cell %d is gone\n", number);
    else
        fprintf(r->say, "cell %d is as it was\n", number);
    return 0;
}

static void default_settings(struct repl *r)
{
    struct options fresh;
    options_init(&fresh);
    for (int k = 0; k < n_options; k++) {
        const struct option_spec *spec = &option_table[k];
        if (!(spec->use & OPTION_SETTING) || spec->use & OPTION_LOAD) continue;
        char *value = option_value(&fresh, spec);
        options_set(&r->app.opt, spec->name, value, OPTION_SETTING, NULL);
        free(value);
    }
    options_free(&fresh);
}

int command_reset(struct repl *r, char *args, struct phi3v_error *err)
{
    bool all = !strcmp(args, "all");
    if (*args && !all) return refuse(err, PHI3V_E_ARGUMENT, ":reset or :reset all");
    book_clear(&r->book, all);
    phi3v_session_clear(r->app.session);
    if (all) default_settings(r);
    return 0;
}
