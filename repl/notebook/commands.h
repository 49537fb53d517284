/* SPDX-License-Identifier: MIT
 * The commands of the notebook: one table, found by the shortest unambiguous prefix. */
#ifndef NOTEBOOK_COMMANDS_H
#define NOTEBOOK_COMMANDS_H

#include "notebook/core.h"

/* Who may use a command. There is no default: a row of the table without one does not compile. */
enum command_class {
    BY_PERSON = 1, /* by whoever sits at the notebook alone */
    BY_ANYONE /* by a cell from a file or a request too: reads pictures, sets what is harmless */
};

enum command_use {
    COMMAND_RECORD = 1, /* changes what the next cell sees: becomes a line of its source */
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
    const char *args; // without blanks around
    bool forced;      // :save!
    /* At the head of a cell: nothing is drawn. */
    const struct cell *cell;         // NULL: on its own
    const struct settings *settings; // in effect
    /* Out, of commands that are recorded. */
    struct int_list images; // brought or dropped
    bool shows_only;        // it has changed nothing
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

/* By name or unambiguous prefix. Errors: ARGUMENT with the nearest, or the candidates. */
const struct command *command_find(const char *name, struct phi3v_error *err);
/* One command line of a source: ":name args", "!shell" or "?topic". What is recorded becomes a
 * pending line. Returns as struct command's run. */
int command_line(struct notebook *nb, const char *line, enum nb_origin origin,
                 struct phi3v_error *err);
/* The same for lines that will belong to a cell: only what is recorded may stand there. */
int command_into(struct notebook *nb, const char *line, enum nb_origin origin, struct lines *to,
                 struct phi3v_error *err);
/* A line as it is kept in a cell: the command's whole name, no secrets. The caller frees *ret. */
int command_text(const char *line, char **ret, struct phi3v_error *err);
/* The lines at the head of a cell, checked and with their pictures known, applied to what stands
 * before it. */
int commands_at_head(struct notebook *nb, struct cell *cell, struct inherited *s,
                     struct phi3v_error *err);
/* Someone else's habit ("/image x", "%edit 3", "help"): what to write here instead; NULL for a
 * prompt. */
const char *foreign_habit(const char *line);

/* -- Help -------------------------------------------------------------------------------------- */

/* On a command ("load", ":load"), a topic ("keys", "settings"), or all (""); NULL when there is
 * none, or no memory. The caller frees. */
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

/* "3" or "_": one cell, as an index from 0. "" means the last. */
int cell_index(const struct notebook *nb, const char *word, int *ret_index,
               struct phi3v_error *err);

/* Draws pictures of the notebook, what each costs below; large: as for a picture of its own. */
int show_pictures(struct call *c, const struct int_list *images, bool large,
                  struct phi3v_error *err);
/* "as NAME" at the end of words; those before it are *ret_n. NULL: there is none. */
const char *name_at_end(const struct words *words, size_t *ret_n);
/* What a picture costs, as a line. */
void add_price(struct text *t, struct notebook *nb, int index, const struct phi3v_image_plan *plan);

#endif
