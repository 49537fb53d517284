/* SPDX-License-Identifier: GPL-3.0-or-later
 * Commands about files and the rest: :save :open :history :help :quit */
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"
#include "notebook/export.h"
#include "tty/history.h"
#include "notebook/ipynb.h"
#include "notebook/words.h"

enum { MAX_NOTEBOOK_BYTES = 256 << 20 };

/* One word, with ~ and quotes undone; NULL and an error when there are several. */
static char *one_path(const char *args, const char *command, struct phi3v_error *err)
{
    struct strings words;
    words_split(args, &words);
    char *path = words.n == 1 ? expand_home(words.v[0]) : NULL;
    if (!path) refuse(err, PHI3V_E_ARGUMENT, "%s wants one file; quote names with blanks", command);
    strings_free(&words);
    return path;
}

/* -- :save ---------------------------------------------------------------------------------- */

static int save_notebook(struct repl *r, const char *path, struct phi3v_error *err)
{
    struct ipynb_session session = {r->app.opt.system, r->app.info->name};
    int rc = ipynb_write(&r->book, &session, path, err);
    if (rc) return rc;
    char *kept = xstrdup(path);
    free(r->book.path);
    r->book.path = kept;
    r->book.changed = false;
    return 0;
}

static int save_other(struct repl *r, const char *path, struct phi3v_error *err)
{
    char *text = export_text(&r->book, r->app.opt.system, path);
    if (!text)
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%.200s: the name must end in .ipynb, .md, .txt or .json", path);
    int rc = store_file(path, text, strlen(text), err);
    free(text);
    return rc;
}

int command_save(struct repl *r, char *args, struct phi3v_error *err)
{
    if (!*args && !r->book.path) return refuse(err, PHI3V_E_ARGUMENT, ":save wants a file name");
    if (!r->book.n) return refuse(err, PHI3V_E_ARGUMENT, "there are no cells to save yet");
    char *path = *args ? one_path(args, ":save", err) : xstrdup(r->book.path);
    if (!path) return PHI3V_E_ARGUMENT;
    const char *slash = strrchr(path, '/');
    if (!strchr(slash ? slash + 1 : path, '.')) {
        char *longer = xasprintf("%s.ipynb", path);
        free(path);
        path = longer;
    }
    int rc = has_ending(path, ".ipynb") ? save_notebook(r, path, err) : save_other(r, path, err);
    if (!rc) {
        fprintf(r->say, "saved %d cell%s to ", r->book.n, r->book.n == 1 ? "" : "s");
        say_name(r, path);
        fputc('\n', r->say);
    }
    free(path);
    return rc;
}

/* -- :open ---------------------------------------------------------------------------------- */

/* Replaces the notebook only when the file could be read. */
static int open_notebook(struct repl *r, const char *path, struct phi3v_error *err)
{
    char *text, *system;
    size_t n;
    int rc = load_file(path, MAX_NOTEBOOK_BYTES, &text, &n, err);
    if (rc) return rc;
    struct book fresh;
    book_init(&fresh);
    rc = ipynb_parse(text, n, path, &fresh, &system, err);
    free(text);
    if (rc) {
        book_free(&fresh);
        return rc;
    }
    fresh.path = xstrdup(path);
    book_free(&r->book);
    r->book = fresh;
    free(r->app.opt.system);
    r->app.opt.system = system;
    return 0;
}

int command_open(struct repl *r, char *args, struct phi3v_error *err)
{
    if (!*args) return refuse(err, PHI3V_E_ARGUMENT, ":open wants a notebook");
    char *path = one_path(args, ":open", err);
    if (!path) return PHI3V_E_ARGUMENT;
    int rc = open_notebook(r, path, err);
    free(path);
    if (rc) return rc;
    fprintf(r->say, "%d cell%s; nothing was run: :cells lists them, :run all runs them\n",
            r->book.n, r->book.n == 1 ? "" : "s");
    return 0;
}

/* -- :history, :help, :quit ----------------------------------------------------------------- */

int command_history(struct repl *r, char *args, struct phi3v_error *err)
{
    const char *pattern = NULL;
    if (!strncmp(args, "-g", 2) && strspn(args + 2, " \t"))
        pattern = args + 2 + strspn(args + 2, " \t");
    if (*args && (!pattern || !*pattern))
        return refuse(err, PHI3V_E_ARGUMENT, ":history [-g PATTERN]");
    struct strings list;
    char *path = r->app.opt.no_history ? NULL : history_path();
    history_read(path, &list);
    for (size_t i = 0; i < list.n; i++) {
        if (pattern && !strstr(list.v[i], pattern)) continue;
        say_text(r, list.v[i]);
        fputc('\n', r->say);
    }
    strings_free(&list);
    free(path);
    return 0;
}

int command_help_show(struct repl *r, char *args, struct phi3v_error *err)
{
    char *text = command_help(args);
    if (!text) {
        command_find(*args == ':' ? args + 1 : args, err);
        return PHI3V_E_ARGUMENT;
    }
    fputs(text, r->say);
    free(text);
    return 0;
}

int command_quit(struct repl *r, char *args, struct phi3v_error *err)
{
    (void)args, (void)err;
    r->quit = true;
    return 0;
}
