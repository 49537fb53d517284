/* SPDX-License-Identifier: MIT
 * The commands of the notebook: one table, found by the shortest unambiguous prefix. */
#ifndef NOTEBOOK_COMMANDS_H
#define NOTEBOOK_COMMANDS_H

#include "notebook/core.h"

/* Who may use a command. There is no default: a table row without a class does not compile. */
enum command_class {
    BY_PERSON = 1, /* only by the person at the notebook */
    BY_ANYONE      /* also by cells of files and requests: reads pictures, sets what is harmless */
};

enum command_use {
    COMMAND_RECORD = 1, /* changes what the next cell sees, so it becomes a line of its source */
    COMMAND_FILES = 2,  /* its words are paths */
    COMMAND_SETS = 4,   /* its first word is a setting */
    COMMAND_CELLS = 8,  /* its first word is a range of cells, then key=value */
    COMMAND_TOPICS = 16 /* its word is a command or a topic of help */
};

/* One command being run. */
struct call {
    struct notebook *nb;
    enum nb_origin origin;
    const char *name; // "load"
    const char *args; // without surrounding blanks
    bool forced;      // :save!
    /* At the head of a cell nothing is drawn. */
    const struct cell *cell;         // NULL: not in a cell
    const struct settings *settings; // in effect
    /* Results of recorded commands. */
    struct int_list images; // added or dropped
    bool shows_only;        // it changed nothing
};

struct command {
    const char *name; // without the colon
    enum command_class class;
    int use;
    int (*run)(struct call *c, struct phi3v_error *err); // 0, an error, 1: interrupted
    const char *group;                                   // of :help
    const char *args;
    const char *help; // one line
    const char *example;
};

extern const struct command command_table[];
extern const int n_commands;

/* Finds a command by name or unambiguous prefix. Errors: ARGUMENT, naming the nearest or the
 * candidates. */
const struct command *command_find(const char *name, struct phi3v_error *err);
/* Runs one command line of a source: ":name args", "!shell" or "?topic". A recorded command becomes
 * a pending line. Returns the same as struct command's run. */
int command_line(struct notebook *nb, const char *line, enum nb_origin origin,
                 struct phi3v_error *err);
/* The same for lines that will belong to a cell, where only recorded commands are allowed. */
int command_into(struct notebook *nb, const char *line, enum nb_origin origin, struct lines *to,
                 struct phi3v_error *err);
/* A line as it is kept in a cell: with the command's full name and without secrets. The caller
 * frees *ret. */
int command_text(const char *line, char **ret, struct phi3v_error *err);
/* Checks the lines at the head of a cell, finds their pictures, and applies them to the state
 * before the cell. */
int commands_at_head(struct notebook *nb, struct cell *cell, struct inherited *s,
                     struct phi3v_error *err);
/* What to write here in place of a command from another program ("/image x", "%edit 3", "help");
 * NULL for a prompt. */
const char *foreign_habit(const char *line);

/* -- Help -------------------------------------------------------------------------------------- */

/* Help on a command ("load", ":load"), a topic ("keys", "settings"), or everything (""); NULL when
 * there is none, or no memory. The caller frees. */
char *help_text(const char *topic);

/* -- Commands, by file ------------------------------------------------------------------------- */

#define COMMAND(name) int command_##name(struct call *c, struct phi3v_error *err)
/* commands/pictures.c */
COMMAND(load);
COMMAND(images);
COMMAND(show);
COMMAND(unstage);
COMMAND(drop);
/* commands/crop.c */
COMMAND(crop);
COMMAND(turn);
/* commands/cells.c */
COMMAND(cells);
COMMAND(edit);
COMMAND(run);
COMMAND(retry);
COMMAND(more);
COMMAND(undo);
COMMAND(redo);
COMMAND(reset);
/* commands/alt.c */
COMMAND(alt);
COMMAND(ab);
COMMAND(fork);
COMMAND(say);
/* commands/foreach.c */
COMMAND(foreach);
/* commands/info.c */
COMMAND(info);
COMMAND(stats);
COMMAND(context);
COMMAND(prompt);
COMMAND(history);
COMMAND(help);
COMMAND(quit);
/* commands/desktop.c */
COMMAND(paste);
COMMAND(watch);
COMMAND(copy);
/* commands/settings.c */
COMMAND(set);
COMMAND(system);
COMMAND(mode);
COMMAND(model);
/* commands/cache.c */
COMMAND(cache);
/* commands/files.c */
COMMAND(save);
COMMAND(open);
COMMAND(source);

/* Reads one cell, "3" or "_", as an index from 0. "" means the last. */
int cell_index(const struct notebook *nb, const char *word, int *ret_index,
               struct phi3v_error *err);

/* The NAME of "as NAME" at the end of words, of which *ret_n remain before it. NULL: there is
 * none. */
const char *name_at_end(const struct words *words, size_t *ret_n);
/* Draws pictures of the notebook with their cost below; large: at full size, as for a single
 * picture. */
int show_pictures(struct call *c, const struct int_list *images, bool large,
                  struct phi3v_error *err);
/* Adds a line that says what a picture costs. */
void add_price(struct text *t, struct notebook *nb, int index, const struct phi3v_image_plan *plan);

#endif
