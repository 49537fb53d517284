/* SPDX-License-Identifier: GPL-3.0-or-later
 * What a running notebook is made of, shared by the prompt loop, scripts and commands. */
#ifndef REPL_REPL_H
#define REPL_REPL_H

#include "verbs/app.h"
#include "notebook/cells.h"
#include "term/term.h"

struct line;

struct repl {
    struct app app;
    struct book book;
    struct term *term; // of the output; NULL when that is no terminal
    struct line *line; // NULL in scripts
    bool script;
    bool script_stdin; // the script itself is the standard input
    bool from_file;    // the commands now running stand in an opened notebook: nobody typed them
    FILE *say;         // reports: stdout beside the prompt, stderr in scripts
    bool quit;
    int editing;    // number of the cell being edited in the line, 0: none
    char *returned; // goes back into the line: a prompt that was not sent, a cell to edit; NULL
    /* Measured so far; 0: not yet. */
    double s_per_crop, s_per_token;
    struct phi3v_timing total;
    int n_answers;
};

/* One complete line or cell, as typed: a command, a prompt, !, ?. Returns 0, an error code (err
 * filled), or 1 when an answer was interrupted. */
int repl_eval(struct repl *r, const char *text, struct phi3v_error *err);
/* Prints an error: one clean line, or JSON in a script with --json. */
void repl_report(struct repl *r, const struct phi3v_error *err);
/* Opens the model and what output needs. */
int repl_open(struct repl *r, struct phi3v_error *err);
void repl_close(struct repl *r);
int repl_script(struct repl *r, const char *file); // script.c; exit status

/* -- Running cells (run.c); results as repl_eval ---------------------------------------------- */

int run_prompt(struct repl *r, const char *typed, struct phi3v_error *err);
/* The command lines at the head of cell i (from 0), when it came from a file and they have not been
 * run: they may change the settings. */
int run_commands(struct repl *r, int i, struct phi3v_error *err);
/* Cell i again with its present text; opt: the settings to use. */
int run_again(struct repl *r, int i, const struct options *opt, struct phi3v_error *err);
int run_edited(struct repl *r, int i, const char *typed, struct phi3v_error *err);
int run_more(struct repl *r, int i, struct phi3v_error *err);
/* Clears the screen and draws the last cell again, its pictures beside its answer. */
void run_redraw(struct repl *r);
/* "cells 3-5 are stale now: …" where there are any behind cell i. */
void run_tell_stale(struct repl *r, int i);

/* An answer's timing into the totals and what is known of speed. */
void run_add_up(struct repl *r, const struct phi3v_timing *t);

/* Text that came from elsewhere, on its way to r->say: cleaned when that is a terminal. */
void say_text(struct repl *r, const char *s);
void say_name(struct repl *r, const char *s);
/* One line of such text, wrapped by words on a terminal; what continues it begins `indent` columns
 * to the right. */
void say_line(struct repl *r, const char *s, int indent);

#endif
