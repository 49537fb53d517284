/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook at the prompt: In [n], a line, Out[n]. */
#ifndef TTY_REPL_H
#define TTY_REPL_H

#include "notebook/notebook.h"

struct repl_options {
    const struct settings *settings, *for_opened; // as of struct nb_options
    const char *model;                            // or a server's address; NULL: the default
    const char *api_key;                          // for servers, or NULL
    const char *settings_file;                    // for :set --save, or NULL
    const char *const *model_dirs;
    /* Calls fn for every model that has a name, for Tab; may be NULL. */
    void (*each_model)(void (*fn)(const char *name, const char *path, void *user), void *user);
    const char *notebook;           // to open; NULL: none
    bool go_on;                     // open the latest unsaved cells
    const struct strings *pictures; // to load
    bool no_history;
};

/* Runs until the person leaves. Returns 0, or fills err and returns why there was no notebook. */
int repl_run(const struct repl_options *opt, struct phi3v_error *err);

#endif
