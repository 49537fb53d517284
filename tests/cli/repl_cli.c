/* SPDX-License-Identifier: GPL-3.0-or-later
 * The notebook at a terminal: keys, Ctrl-C in each state, history, completion, what stays behind.
 */
#define _GNU_SOURCE
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <sys/stat.h>

#include "drive.h"
#include "golden.h"

static const char *model(void) { return drive_golden("models/tiny-gqa-bf16"); }

static struct pty *start(const char *max_new_tokens)
{
    struct pty *p = pty_start((const char *const[]){"-m", model(), "--num-crops", "1",
                                                    "--max-new-tokens", max_new_tokens, NULL});
    tap_ok(pty_expect(p, ":help   Ctrl-D") && pty_expect(p, "In [1]:"), "the notebook opens");
    return p;
}

static void first_cells(void)
{
    struct pty *p = start("4");
    pty_type(p, "Hello\r");
    tap_ok(pty_expect(p, "Out[1]:") && pty_expect(p, "In [2]:"), "a line is answered");
    char line[600];
    snprintf(line, sizeof line, ":load %s as cover\r", drive_golden("images/tiny_97x61.png"));
    pty_type(p, line);
    tap_ok(pty_expect(p, "313 tokens") && pty_sees(p, "In [2] @cover:"),
           "a loaded picture stands in the prompt");
    pty_type(p, "what is this?\r");
    tap_ok(pty_expect(p, "Out[2]:") && pty_expect(p, "In [3]:"), "and goes with the next line");
    pty_type(p, ":cels\r");
    tap_ok(pty_expect(p, "did you mean :cells?") && pty_expect(p, "In [3]:"),
           "a mistake changes nothing");
    pty_type(p, ":edit 1\r");
    tap_ok(pty_expect(p, "Hello"), ":edit puts the cell into the line");
    pty_type(p, " there\r");
    tap_ok(pty_expect(p, "Out[1]:") && pty_expect(p, "cell 2 is stale") && pty_expect(p, "In [3]:"),
           "and Return runs it");
    pty_type(p, ":im\t\r");
    tap_ok(pty_expect(p, ":images") && pty_expect(p, "PNG 97x61"), "Tab completes commands");
    pty_type(p, ":show @co\t\r");
    tap_ok(pty_expect(p, "@cover") && pty_expect(p, "1x1+1"), "and pictures");
    pty_type(p, ":quit\r");
    tap_ok(pty_expect(p, "phiscope -c opens") && pty_end(p) == 0,
           ":quit leaves; unsaved cells stay behind");
    p = pty_start((const char *const[]){"-c", "-m", model(), NULL});
    tap_ok(pty_expect(p, "2 cells") && pty_expect(p, "In [3]:"), "phiscope -c opens them again");
    pty_type(p, ":cells\r");
    tap_ok(pty_expect(p, "In [1] ok: Hello there") && pty_expect(p, "In [2] stale: what is this?"),
           "as they were");
    pty_type(p, ":q\r");
    tap_ok(pty_end(p) == 0, "and they stay behind once more");
}

static void many_lines(void)
{
    struct pty *p = start("3");
    pty_type(p, "one\\\rtwo\r");
    tap_ok(pty_expect(p, "Out[1]:") && pty_expect(p, "In [2]:"), "a backslash goes on");
    pty_type(p, "three\033\rfour\r");
    tap_ok(pty_expect(p, "Out[2]:") && pty_expect(p, "In [3]:"), "Alt-Enter goes on");
    pty_type(p, "\"\"\"\rfive\rsix\"\"\"\r");
    tap_ok(pty_expect(p, "Out[3]:") && pty_expect(p, "In [4]:"), "three quotes go on");
    pty_type(p, "\033[200~seven\reight\033[201~");
    tap_ok(!pty_came(p, "Out["), "pasted lines wait for Return");
    pty_type(p, "\r");
    tap_ok(pty_expect(p, "Out[4]:") && pty_expect(p, "In [5]:"), "and are one cell");
    pty_type(p, ":prompt 4\r");
    tap_ok(pty_expect(p, "one") && pty_expect(p, "two") && pty_expect(p, "six") &&
               pty_expect(p, "eight") && pty_expect(p, "In [5]:"),
           "all of it was sent");
    pty_type(p, "\004");
    tap_ok(pty_end(p) == 0, "Ctrl-D leaves");
}

static void interrupts(void)
{
    struct pty *p = start("100000");
    pty_type(p, "half a line");
    tap_ok(pty_expect(p, "half a line"), "typing");
    pty_type(p, "\003");
    tap_ok(pty_expect(p, "In [1]:"), "Ctrl-C empties the line");
    pty_type(p, "Tell me more\r");
    tap_ok(pty_expect(p, "Out[1]:") && pty_expect(p, " "), "a long answer begins");
    pty_type(p, "\003");
    tap_ok(pty_expect(p, "(interrupted; :more goes on)") && pty_expect(p, "In [2]:"),
           "Ctrl-C stops it and keeps the session");
    pty_type(p, ":cells\r");
    tap_ok(pty_expect(p, "In [1] interrupted: Tell me more") && pty_expect(p, "In [2]:"),
           "the cell says so");
    pty_type(p, ":more\r");
    tap_ok(pty_expect(p, "Out[1]:"), ":more goes on");
    pty_type(p, "\003");
    tap_ok(pty_expect(p, "(interrupted") && pty_expect(p, "In [2]:"), "and can be stopped again");
    /* One after the other: the terminal driver drops output that meets a Ctrl-C. */
    bool stays = true;
    for (int i = 0; i < 2; i++) {
        pty_type(p, "\003");
        stays = stays && pty_expect(p, "In [2]:");
    }
    tap_ok(stays, "Ctrl-C never leaves");
    pty_type(p, ":q\r");
    tap_ok(pty_end(p) == 0, "the session ends in order");
}

static void history(void)
{
    struct pty *p = start("3");
    pty_type(p, "remember me\\\rsecond line\r");
    tap_ok(pty_expect(p, "Out[1]:") && pty_expect(p, "In [2]:"), "a cell of two lines");
    pty_type(p, ":quit\r");
    pty_end(p);
    struct stat st;
    tap_ok(!stat(drive_file("state/phiscope/history"), &st) && (st.st_mode & 0777) == 0600,
           "the history is the person's own");
    p = start("3");
    pty_type(p, "\033[A\033[A");
    tap_ok(pty_expect(p, "remember me") && pty_expect(p, "second line"),
           "the next program knows it");
    pty_type(p, "\003");
    pty_expect(p, "In [1]:");
    pty_type(p, ":history -g remember\r");
    tap_ok(pty_expect(p, "second line") && pty_expect(p, "In [1]:"), ":history finds it");
    pty_type(p, "\004");
    tap_ok(pty_end(p) == 0, "Ctrl-D leaves an empty notebook");
}

/* Where unsaved cells cannot be kept, leaving has to be asked for twice in a row. */
static void nothing_is_kept(void)
{
    static const char *const places[] = {"XDG_STATE_HOME=/dev/full", "XDG_STATE_HOME=/etc/passwd"};
    for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
        const char *const env[] = {places[i], NULL};
        struct pty *p = pty_start_notebook(&(struct pty_options){.env = env});
        pty_type(p, "Hello\r");
        pty_expect(p, "In [2]:");
        pty_type(p, "\004");
        tap_ok(pty_expect(p, "unsaved cells cannot be kept") && pty_expect(p, "In [2]:"),
               "%s: Ctrl-D does not lose a cell", places[i]);
        pty_type(p, ":mode\r");
        pty_expect(p, "In [2]:");
        pty_type(p, ":quit\r");
        tap_ok(pty_expect(p, "leaving once more loses") && pty_expect(p, "In [2]:"),
               "nor does :quit, after something else");
        char save[600];
        snprintf(save, sizeof save, ":save %s\r", drive_file("kept.ipynb"));
        pty_type(p, i ? save : ":quit\r");
        if (i) tap_ok(pty_expect(p, "saved 1 cell"), "saved elsewhere");
        if (i) pty_type(p, "\004");
        tap_ok(pty_end(p) == 0, i ? "after :save it leaves" : "a second time it leaves");
    }
}

static void write_settings(const char *text)
{
    FILE *f = fopen(drive_file("config/phiscope/config"), "w");
    if (f) fputs(text, f);
    if (f) fclose(f);
}

/* :set --save keeps settings for later notebooks, but neither for scripts nor for cells that were
 * answered without them. */
static void kept_settings(void)
{
    struct stat st;
    struct pty *p = start("3");
    pty_type(p, ":set temperature 0.5\r:set stats off\r:set --save\r");
    tap_ok(pty_expect(p, "temperature, stats: kept in"), ":set --save tells what it keeps");
    tap_ok(pty_leave(p) == 0, "the end");
    tap_ok(!stat(drive_file("config/phiscope/config"), &st) && (st.st_mode & 0777) == 0600,
           "in a file of the person's own");
    p = start("4");
    pty_type(p, ":set temperature\r");
    tap_ok(pty_expect(p, "* temperature         0.5 "), "the next notebook has them");
    pty_type(p, ":set max_new_tokens\r");
    tap_ok(pty_expect(p, "* max_new_tokens      4 "), "options of the command line come first");
    pty_type(p, ":set temperature 0\r:set --save\r");
    pty_expect(p, ": kept in");
    tap_ok(pty_leave(p) == 0, "the end");
    p = start("3");
    pty_type(p, ":set temperature\r");
    tap_ok(pty_expect(p, "  temperature         0 "), "what is as usual again is forgotten");
    tap_ok(pty_leave(p) == 0, "the end");

    write_settings("{\"temperature\": 0.5, \"stats\": false, \"top_k\": \"7\", \"top_p\": 9, "
                   "\"bogus\": 1, \"stop\": [\"a b\", \"c\"], \"layout\": null}");
    char lines[600];
    snprintf(lines, sizeof lines, "Hello\n:save %s\n", drive_file("own.ipynb"));
    DRIVE(lines, "-m", model(), "--num-crops", "1", "--max-new-tokens", "3");
    tap_ok(strstr(DRIVE(":set temperature\n", "-m", model())->err, "  temperature         0 "),
           "a script does not have them");
    p = pty_start((const char *const[]){"-m", model(), "--num-crops", "1", "--max-new-tokens", "3",
                                        drive_file("own.ipynb"), NULL});
    tap_ok(pty_expect(p, "top-p must be a number from 0 to 1, not \"9\": it is left out") &&
               pty_expect(p, "there is no setting bogus: it is left out") &&
               pty_expect(p, "layout must be a text, a number, true or false: it is left out"),
           "what is wrong in the file is told");
    pty_expect(p, "In [2]:");
    pty_type(p, ":cells\r");
    tap_ok(pty_expect(p, "In [1] ok: Hello"), "cells of an opened notebook stay what they were");
    pty_type(p, ":set temperature\r:set stats\r");
    tap_ok(pty_expect(p, "  temperature         0 ") && pty_expect(p, "* stats               off "),
           "with the settings of cells it was made with, and one's own for the rest");
    pty_type(p, ":reset all\r:set top_k\r:set stop\r");
    tap_ok(pty_expect(p, "* top_k               7 ") && pty_expect(p, "a b c "),
           "a new one has all that is right in the file");
    tap_ok(pty_leave(p) == 0, "the end");
    write_settings("temperature = 1\n");
    p = start("3");
    tap_ok(strstr(pty_bytes(p), "config/phiscope/config is not JSON"), "other files are named");
    tap_ok(pty_leave(p) == 0, "the end");
    remove(drive_file("config/phiscope/config"));
}

/* A notebook that is not there yet is begun, where its folder is there. */
static void new_name(void)
{
    struct pty *p =
        pty_start((const char *const[]){"-m", model(), "--num-crops", "1", "--max-new-tokens", "3",
                                        drive_file("begun.ipynb"), NULL});
    tap_ok(pty_expect(p, "begun.ipynb is new: :save writes it)"), "a new notebook is begun");
    pty_expect(p, "In [1]:");
    tap_ok(access(drive_file("begun.ipynb"), F_OK) != 0,
           "nothing is written before there is a cell");
    pty_type(p, "Hello\r");
    pty_expect(p, "In [2]:");
    pty_type(p, ":save\r");
    tap_ok(pty_expect(p, "saved 1 cell to"), "it knows its name");
    tap_ok(pty_leave(p) == 0 && !access(drive_file("begun.ipynb"), F_OK), "and is there");
    p = pty_start((const char *const[]){"-m", model(), drive_file("nowhere/begun.ipynb"), NULL});
    tap_ok(pty_expect(p, "cannot open "), "a folder that is not there is an error");
    tap_ok(pty_leave(p) == 0, "the end");
    remove(drive_file("begun.ipynb"));
}

static void no_model(void)
{
    struct pty *p = pty_start((const char *const[]){"-m", "no/such", NULL});
    tap_ok(pty_expect(p, "no/such") && pty_end(p) == 3, "without a model it ends with 3");
}

int main(int argc, char **argv)
{
    drive_init(argc, argv);
    no_model();
    if (golden_exists("models/tiny-gqa-bf16")) {
        first_cells();
        many_lines();
        interrupts();
        history();
        nothing_is_kept();
        kept_settings();
        new_name();
    } else {
        tap_skip("models/tiny-gqa-bf16", "the notebook at a terminal");
    }
    return drive_done();
}
