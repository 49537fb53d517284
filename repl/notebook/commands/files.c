/* SPDX-License-Identifier: MIT
 * Commands about files: :save :open :source */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "common/part.h"
#include "notebook/autosave.h"
#include "notebook/commands.h"
#include "notebook/export.h"
#include "notebook/ipynb.h"
#include "notebook/own_files.h"
#include "notebook/script.h"

enum { MAX_NOTEBOOK_BYTES = 512 << 20 };

/* Reads one word, with ~ and quotes undone. */
static int one_path(const char *args, const char *command, char **ret, struct phi3v_error *err)
{
    struct words words;
    int rc = load_words(args, &words, err);
    if (rc) return rc;
    *ret = words.n == 1 ? expand_home(words.v[0].text) : NULL;
    if (words.n != 1)
        rc = refuse(err, PHI3V_E_ARGUMENT, "%s needs one file; quote names with blanks", command);
    else if (!*ret)
        rc = memory_error(err);
    words_free(&words);
    return rc;
}

/* -- :save ------------------------------------------------------------------------------------ */

static int save_notebook(struct notebook *nb, const char *path, struct phi3v_error *err)
{
    char *kept = text_copy(path);
    int rc = kept ? ipynb_write(&nb->book, nb->engine.info->name, path, err) : memory_error(err);
    if (rc) {
        free(kept);
        return rc;
    }
    free(nb->book.path);
    nb->book.path = kept;
    nb->book.changed = false;
    autosave_saved(nb);
    return 0;
}

static int save_other(struct notebook *nb, const char *path, struct phi3v_error *err)
{
    char *text;
    int rc = export_text(&nb->book, path, &text, err);
    if (rc) return rc;
    rc = store_file(path, text, strlen(text), 0666, err);
    free(text);
    return rc;
}

/* The path to save to: without words the notebook's own; .ipynb is added if there is no ending. */
static int path_to_save(const struct call *c, char **ret, struct phi3v_error *err)
{
    const struct book *b = &c->nb->book;
    if (!*c->args && !b->path) return refuse(err, PHI3V_E_ARGUMENT, ":save needs a file name");
    if (!b->n) return refuse(err, PHI3V_E_ARGUMENT, "there are no cells to save yet");
    int rc = 0;
    if (*c->args)
        rc = one_path(c->args, ":save", ret, err);
    else if (!(*ret = text_copy(b->path)))
        rc = memory_error(err);
    if (rc) return rc;
    const char *slash = strrchr(*ret, '/');
    if (strchr(slash ? slash + 1 : *ret, '.')) return 0;
    char *longer = text_format("%s.ipynb", *ret);
    free(*ret);
    *ret = longer;
    return longer ? 0 : memory_error(err);
}

int command_save(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    char *path;
    engine_begin(&nb->engine);
    int rc = path_to_save(c, &path, err);
    if (rc) return rc;
    rc = export_check(path, err);
    if (!rc && !c->forced) rc = own_file_check(nb, path, ":save!", err);
    if (!rc)
        rc = has_ending(path, ".ipynb") ? save_notebook(nb, path, err) : save_other(nb, path, err);
    if (!rc) {
        own_file_keep(nb, path);
        report_about(nb, path, "saved %d cell%s to %s\n", nb->book.n, nb->book.n == 1 ? "" : "s",
                     path);
    }
    free(path);
    return rc;
}

int nb_name(struct notebook *nb, const char *path, struct phi3v_error *err)
{
    char *kept = text_copy(path);
    if (!kept) return memory_error(err);
    free(nb->book.path);
    nb->book.path = kept;
    note(nb, "(%s is new: :save writes it)", path);
    return 0;
}

/* -- :open ------------------------------------------------------------------------------------ */

static int parse(struct notebook *nb, const char *path, const char *text, size_t n,
                 struct book *fresh, struct phi3v_error *err)
{
    json_t *file;
    char *of;
    if (!has_ending(path, ".jsonl")) {
        int rc = ipynb_parse(text, n, path, fresh, err);
        if (rc || autosave_is(nb, path)) return rc;
        fresh->path = text_copy(path);
        return fresh->path ? 0 : memory_error(err);
    }
    int rc = autosave_read(text, n, path, &file, &of, err);
    if (rc) return rc;
    rc = ipynb_read(file, path, fresh, err);
    json_decref(file);
    /* Only our own journal may decide where its notebook is saved. */
    if (rc || !autosave_is(nb, path) || (of && !has_ending(of, ".ipynb"))) {
        free(of);
        of = NULL;
    }
    if (!rc) fresh->path = of;
    return rc;
}

/* Replaces the notebook, if the file could be read; :undo restores the old one. */
static int open_notebook(struct notebook *nb, const char *path, struct phi3v_error *err)
{
    char *text;
    size_t n;
    /* Opening a pipe without a writer would block. */
    struct stat st;
    if (!stat(path, &st) && !S_ISREG(st.st_mode))
        return refuse(err, PHI3V_E_IO, "%.200s is a folder or a device, not a notebook", path);
    int rc = load_file(path, MAX_NOTEBOOK_BYTES, &text, &n, err);
    if (rc) return rc;
    struct book fresh;
    rc = book_init(&fresh, &nb->for_opened, err);
    fresh.stop = &nb->stop;
    if (!rc) rc = parse(nb, path, text, n, &fresh, err);
    free(text);
    if (!rc) rc = book_replace(&nb->book, &fresh, err);
    book_free(&fresh);
    if (!rc) notebook_refresh(nb);
    return rc;
}

int command_open(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    char *path;
    bool unsaved = nb->book.changed && nb->book.n > 0;
    if (!*c->args) return refuse(err, PHI3V_E_ARGUMENT, ":open needs a notebook");
    int rc = one_path(c->args, ":open", &path, err);
    if (rc) return rc;
    engine_begin(&nb->engine);
    rc = open_notebook(nb, path, err);
    if (!rc) {
        autosave_apart(nb, book_aside(&nb->book, false));
        if (autosave_is(nb, path)) {
            autosave_adopted(nb, path);
        } else {
            own_file_keep(nb, path);
            parts_tidy_of(path);
        }
        report(nb, "%d cell%s; nothing was run: :cells lists them, :run all runs them\n",
               nb->book.n, nb->book.n == 1 ? "" : "s");
        if (unsaved) note(nb, "(:undo brings back the cells from before)");
    }
    free(path);
    return rc;
}

/* -- :source ---------------------------------------------------------------------------------- */

/* Opens a file of lines. Opening a pipe without a writer would block. */
static int open_script(const char *path, FILE **ret, struct phi3v_error *err)
{
    struct stat st;
    if (!stat(path, &st) && !S_ISREG(st.st_mode))
        return refuse(err, PHI3V_E_IO, "%.200s is a folder or a device, not a file of lines", path);
    *ret = fopen(path, "re");
    return *ret ? 0 : refuse(err, PHI3V_E_IO, "cannot open %.300s: %s", path, strerror(errno));
}

/* Shows what is run, as it would stand at the prompt. */
static void say_source(struct notebook *nb, const char *source)
{
    const char *line = source + strspn(source, " \t");
    if (*line && !nb->front.one_at_a_time)
        report(nb, "In [%d]: %.*s%s\n", nb->book.n + 1, (int)strcspn(line, "\n"), line,
               strchr(line, '\n') ? " …" : "");
}

/* Runs the file up to the first source that fails. Returns as a command. */
static int run_script(struct notebook *nb, FILE *f, struct phi3v_error *err)
{
    struct nb_result result = {0};
    bool first = true;
    int rc;
    char *source;
    while ((rc = script_next(f, first, &source, err)) > 0) {
        first = false;
        say_source(nb, source);
        rc = nb_eval(nb, source, NB_TYPED, &result, err);
        free(source);
        if (rc || result.quit) break;
        if (result.interrupted || nb->front.stopped(nb->front.user)) return 1;
    }
    return rc;
}

int command_source(struct call *c, struct phi3v_error *err)
{
    struct notebook *nb = c->nb;
    char *path;
    FILE *f;
    if (!*c->args) return refuse(err, PHI3V_E_ARGUMENT, ":source needs a file of lines");
    if (nb->sourcing)
        return refuse(err, PHI3V_E_ARGUMENT, "a file that :source runs may not use :source");
    int rc = one_path(c->args, ":source", &path, err);
    if (rc) return rc;
    if (has_ending(path, ".ipynb"))
        rc = refuse(err, PHI3V_E_ARGUMENT, "%.200s is a notebook: :open shows it, :run all runs it",
                    path);
    if (!rc) rc = open_script(path, &f, err);
    if (!rc) {
        engine_begin(&nb->engine);
        nb->sourcing = true;
        rc = run_script(nb, f, err);
        nb->sourcing = false;
        fclose(f);
    }
    free(path);
    return rc;
}
