/* SPDX-License-Identifier: GPL-3.0-or-later */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "notebook/autosave.h"
#include "notebook/ipynb.h"

static char *state_dir(void) { return xdg_dir("XDG_STATE_HOME", ".local/state"); }

static char *own_path(void)
{
    char *dir = state_dir();
    char *path = dir ? xasprintf("%s/autosave-%ld.ipynb", dir, (long)getpid()) : NULL;
    free(dir);
    return path;
}

void autosave_write(struct repl *r)
{
    if (r->script) return;
    char *path = own_path();
    if (path)
        ipynb_write(&r->book, &(struct ipynb_session){r->app.opt.system, r->app.info->name}, path,
                    NULL);
    free(path);
}

void autosave_end(struct repl *r)
{
    if (r->script) return;
    char *path = own_path(), *dir = state_dir();
    if (path && r->book.changed && r->book.n > 0) {
        char *last = xasprintf("%s/last.ipynb", dir);
        if (!rename(path, last)) fprintf(r->say, "unsaved cells are kept in %s\n", last);
        free(last);
    } else if (path) {
        unlink(path);
    }
    free(dir);
    free(path);
}

static int is_autosave(const struct dirent *e) { return !strncmp(e->d_name, "autosave-", 9); }

void autosave_look(struct repl *r)
{
    char *dir = state_dir();
    struct dirent **list = NULL;
    int n = dir ? scandir(dir, &list, is_autosave, alphasort) : -1;
    struct strings left = {0};
    for (int i = 0; i < n; i++) {
        long pid = atol(list[i]->d_name + 9);
        bool gone = pid > 0 && kill((pid_t)pid, 0) && errno == ESRCH;
        if (gone) strings_add(&left, list[i]->d_name);
        free(list[i]);
    }
    if (left.n == 1)
        fprintf(r->say, "a notebook was left behind: :open %s/%s\n", dir, left.v[0]);
    else if (left.n > 1)
        fprintf(r->say, "%zu notebooks were left behind: :open %s/autosave-TAB\n", left.n, dir);
    strings_free(&left);
    free(list);
    free(dir);
}
