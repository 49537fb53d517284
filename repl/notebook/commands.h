/* SPDX-License-Identifier: GPL-3.0-or-later
 * The commands of the REPL: one table, found by the shortest unambiguous prefix. */
#ifndef REPL_COMMANDS_H
#define REPL_COMMANDS_H

#include "notebook/repl.h"

enum command_use {
    COMMAND_RECORD = 1, /* changes what the next cell sees: becomes a leading line of its source */
    COMMAND_WRITES = 2, /* leaves the notebook (files, shell): refused in cells from a file */
    COMMAND_SETS = 4    /* completes setting names */
};

struct command {
    const char *name; /* without the colon */
    const char *args;
    const char *help; /* one line */
    const char *example;
    int (*run)(struct repl *r, char *args, struct phi3v_error *err);
    int use;
};

extern const struct command command_table[];
extern const int n_commands;

/* By name or unambiguous prefix. Errors: ARGUMENT with the nearest, or the candidates. */
const struct command *command_find(const char *name, struct phi3v_error *err);
/* Runs ":name args", "!cmd" or "?topic". Results as repl_eval. */
int command_line(struct repl *r, const char *line, struct phi3v_error *err);
/* The line is a command of ours, not a prompt. */
bool is_command_line(const char *line);
/* Someone else's habit ("/image x", "%edit 3", "exit"): what to write here instead; NULL for a
 * prompt. */
const char *foreign_habit(const char *line);
/* Help on a command ("load", ":load"), on all ("commands", ""); NULL when there is none. The caller
 * frees. */
char *command_help(const char *topic);

/* -- Commands, by file ------------------------------------------------------------------------ */

#define COMMAND(name) int command_##name(struct repl *r, char *args, struct phi3v_error *err)
/* cmd_pictures.c */
COMMAND(load);
COMMAND(images);
COMMAND(show);
COMMAND(unstage);
COMMAND(drop);
/* cmd_cells.c */
COMMAND(cells);
COMMAND(edit);
COMMAND(run);
COMMAND(retry);
COMMAND(more);
COMMAND(undo);
COMMAND(reset);
/* foreach.c */
COMMAND(foreach);
/* cmd_info.c */
COMMAND(info);
COMMAND(stats);
COMMAND(context);
COMMAND(prompt);
COMMAND(set);
COMMAND(system);
COMMAND(model);
/* cmd_files.c */
COMMAND(save);
COMMAND(open);
COMMAND(history);
int command_help_show(struct repl *r, char *args, struct phi3v_error *err);
COMMAND(quit);

/* "cell 3": number from 1 to n in a word. */
int cell_index(const struct repl *r, const char *word, int *ret_index, struct phi3v_error *err);

#endif
