/* SPDX-License-Identifier: MIT */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "common/nearest_name.h"
#include "notebook/commands.h"
#include "notebook/lines.h"
#include "notebook/source.h"

/* -- The table -------------------------------------------------------------------------------- */

/* One row. The class is pasted into a name, so a row without a class, or with an unknown one, does
 * not compile. */
#define CLASS_person BY_PERSON
#define CLASS_anyone BY_ANYONE
#define ROW(word, who, use, group, args, help, example)                                            \
    {                                                                                              \
#word, CLASS_##who, use, command_##word, group, args, help, example                        \
    }

const struct command command_table[] = {
    ROW(load, anyone, COMMAND_RECORD | COMMAND_FILES, "pictures", "WHAT... [as NAME]",
        "load pictures and stage them for the next prompt",
        ":load chart.png https://example.org/book.jpg\n:load photos/*.jpg\n:load cover.jpg as "
        "cover"),
    ROW(paste, person, 0, "pictures", "[as NAME]",
        "load the picture, or the file, that the clipboard holds", ":paste\n:paste as cover"),
    ROW(watch, person, COMMAND_FILES, "pictures", "[FOLDER|off]",
        "load every picture that appears in a folder, such as new screenshots",
        ":watch ~/Pictures/Screenshots\n:watch off"),
    ROW(images, person, 0, "pictures", "", "list the pictures", ":images"),
    ROW(show, person, 0, "pictures", "[@n] [model]",
        "draw a picture again, or what the model sees of it", ":show @1\n:show @1 model"),
    ROW(crop, anyone, COMMAND_RECORD, "pictures", "@n X,Y,W,H|tile ROW,COLUMN [TURN] [as NAME]",
        "a region as a picture of its own, in pixels or percent, or one crop of :show @n model",
        ":crop @1 40,20,200,120\n:crop @1 50%,0,50%,100% as right\n:crop @1 tile 1,2"),
    ROW(turn, anyone, COMMAND_RECORD, "pictures", "@n 90|180|270|flip [as NAME]",
        "the picture turned clockwise or mirrored takes its place", ":turn @1 90\n:turn @2 flip"),
    ROW(unstage, anyone, COMMAND_RECORD, "pictures", "", "take no picture into the next prompt",
        ":unstage"),
    ROW(drop, anyone, COMMAND_RECORD, "pictures", "@n", "forget a picture", ":drop @2"),
    ROW(cells, person, COMMAND_CELLS, "cells", "[RANGE]", "list cells with their state",
        ":cells\n:cells 2-5"),
    ROW(edit, person, COMMAND_CELLS, "cells", "[n [TEXT]]",
        "change a cell and run it; the cells below turn stale",
        ":edit 2\n:edit 2 And in one word?"),
    ROW(run, person, COMMAND_CELLS, "cells", "RANGE [key=value...]", "run cells again",
        ":run 2-4\n:run 3 temperature=0.7 seed=1"),
    ROW(retry, person, COMMAND_CELLS, "cells", "[n]", "another answer to the same prompt",
        ":retry\n:retry 2"),
    ROW(more, person, COMMAND_CELLS, "cells", "[n]",
        "go on with an answer that was interrupted or too long", ":more"),
    ROW(ab, person, COMMAND_CELLS, "looking", "n m", "two answers word by word", ":ab 1 3"),
    ROW(alt, person, COMMAND_CELLS, "looking", "[n] [COUNT]",
        "an answer coloured by certainty, and its least certain tokens with their runners-up",
        ":alt\n:alt 2 10"),
    ROW(fork, anyone, COMMAND_RECORD | COMMAND_CELLS, "cells", "n[@TOKEN[=TEXT]]",
        "a cell in the place of another: its answer begins as that one does up to a token of :alt",
        ":fork 2@5=three\n:fork 2"),
    ROW(say, anyone, COMMAND_RECORD, "cells", "[TEXT]",
        "how the next answer begins; the model goes on from there",
        ":say The title is\n:say \"In one word: \"\n:say"),
    ROW(foreach, person, COMMAND_FILES, "cells", "WHAT... [n|\"PROMPT\"] [to FILE]",
        "ask one question of many pictures, each by itself",
        ":foreach @1 @2\n:foreach photos/*.jpg \"Who is in it?\" to people.csv\n:foreach @all 3"),
    ROW(undo, person, 0, "cells", "", "take the latest change of a cell back", ":undo"),
    ROW(redo, person, 0, "cells", "", "do again what :undo took back", ":redo"),
    ROW(reset, person, 0, "cells", "[all]",
        "begin a new conversation; all: without pictures and settings too", ":reset\n:reset all"),
    ROW(info, person, 0, "looking", "", "facts about model, machine and terminal", ":info"),
    ROW(stats, person, 0, "looking", "", "speed, first token, reuse, memory", ":stats"),
    ROW(context, person, 0, "looking", "", "how much of the context each cell takes", ":context"),
    ROW(prompt, person, COMMAND_CELLS, "looking", "[n] [ids]",
        "the exact prompt of a cell, as text or ids", ":prompt 2\n:prompt 2 ids"),
    ROW(set, anyone, COMMAND_RECORD | COMMAND_SETS, "settings", "[key [value]|--save]",
        "show or change settings; --save keeps what differs from the defaults for later",
        ":set\n:set temperature 0.7\n:set --save"),
    ROW(system, anyone, COMMAND_RECORD, "settings", "[TEXT|off]",
        "the system turn before the conversation", ":system Answer in one sentence.\n:system off"),
    ROW(mode, anyone, COMMAND_RECORD, "settings", "[chat|cell]",
        "whether a cell sees the cells above it", ":mode cell"),
    ROW(model, person, COMMAND_FILES, "settings", "[NAME|URL]",
        "show or switch the model, or let a server answer; #NAME behind it is one of its models",
        ":model default\n:model http://127.0.0.1:8000/v1"),
    ROW(cache, person, 0, "files", "[clear]",
        "what is kept of pictures on disk, so that later runs need not look at them again",
        ":cache\n:cache clear"),
    ROW(copy, person, COMMAND_CELLS, "files", "[n]", "copy an answer to the clipboard",
        ":copy\n:copy 2"),
    ROW(save, person, COMMAND_FILES, "files", "[FILE]",
        "write the notebook: .ipynb, or .md, .txt, .json by name; :save! over any file",
        ":save chart.ipynb\n:save! notes.md"),
    ROW(open, person, COMMAND_FILES, "files", "FILE",
        "open a notebook; nothing in it runs by itself", ":open chart.ipynb"),
    ROW(source, person, COMMAND_FILES, "files", "FILE",
        "run a file of lines as if they were typed, up to the first that fails",
        ":source setup.phi"),
    ROW(history, person, 0, "looking", "[-g PATTERN]", "what was typed before",
        ":history\n:history -g chart"),
    ROW(help, person, COMMAND_TOPICS, "looking", "[COMMAND|keys|settings]", "this help",
        ":help load\n:help keys"),
    ROW(quit, person, 0, "files", "", "leave", ":quit"),
};
const int n_commands = (int)(sizeof command_table / sizeof command_table[0]);

/* -- Names ------------------------------------------------------------------------------------ */

static const char *command_name(int i, void *user)
{
    (void)user;
    return command_table[i].name;
}

static int unknown_command(const char *name, struct phi3v_error *err)
{
    const char *near = nearest_name(name, n_commands, command_name, NULL);
    if (near)
        return refuse(err, PHI3V_E_ARGUMENT, "unknown command :%.40s: did you mean :%s?", name,
                      near);
    return refuse(err, PHI3V_E_ARGUMENT, "unknown command :%.40s: :help lists them", name);
}

const struct command *command_find(const char *name, struct phi3v_error *err)
{
    const struct command *found = NULL;
    struct text candidates = {0};
    size_t n = strlen(name);
    int n_found = 0;
    for (int i = 0; i < n_commands && n > 0; i++) {
        if (strncmp(command_table[i].name, name, n) != 0) continue;
        found = &command_table[i];
        n_found++;
        if (strlen(found->name) == n) {
            text_free(&candidates);
            return found;
        }
        text_addf(&candidates, "%s:%s", n_found > 1 ? ", " : "", found->name);
    }
    if (n_found > 1)
        refuse(err, PHI3V_E_ARGUMENT, ":%s can mean %s", name, candidates.s ? candidates.s : "…");
    text_free(&candidates);
    if (!n_found) unknown_command(name, err);
    return n_found == 1 ? found : NULL;
}

/* -- Other programs' habits ------------------------------------------------------------------- */

const char *foreign_habit(const char *line)
{
    static const struct {
        const char *theirs, *ours;
    } habit[] = {
        {"/image", ":load FILE"}, {"/img", ":load FILE"},    {"/load", ":load FILE"},
        {"/clear", ":reset"},     {"/reset", ":reset"},      {"/new", ":reset"},
        {"/regen", ":retry"},     {"/retry", ":retry"},      {"/undo", ":undo"},
        {"/bye", ":quit"},        {"/exit", ":quit"},        {"/quit", ":quit"},
        {"/help", ":help"},       {"/?", ":help"},           {"/set", ":set"},
        {"/show", ":info"},       {"/save", ":save FILE"},   {"/system", ":system TEXT"},
        {"/history", ":history"}, {"/model", ":model NAME"}, {"%edit", ":edit n"},
        {"%run", ":run RANGE"},   {"%rerun", ":run RANGE"},  {"%load", ":load FILE"},
        {"%history", ":history"}, {"%hist", ":history"},     {"%save", ":save FILE"},
        {"%reset", ":reset"},     {"%quickref", ":help"},    {"%lsmagic", ":help"},
        {"%magic", ":help"},      {"\\q", ":quit"},          {"\\?", ":help"},
        {"\\e", ":edit n"},       {".help", ":help"},        {".exit", ":quit"},
        {".quit", ":quit"},       {"help", ":help"},
    };
    size_t n = strcspn(line, " \t\n");
    bool bare = isalpha((unsigned char)*line); /* "help" alone; "help me" is a prompt */
    for (size_t i = 0; i < sizeof habit / sizeof *habit; i++)
        if (strlen(habit[i].theirs) == n && !strncmp(habit[i].theirs, line, n) &&
            !(bare && line[n + strspn(line + n, " \t\n")]))
            return habit[i].ours;
    return NULL;
}

/* -- Running ---------------------------------------------------------------------------------- */

static int run_shell(struct notebook *nb, const char *command, struct phi3v_error *err)
{
    if (!nb->front.shell) return refuse(err, PHI3V_E_ARGUMENT, "there is no shell here");
    if (!command[strspn(command, " \t")])
        return refuse(err, PHI3V_E_ARGUMENT, "! needs a command: !ls");
    return nb->front.shell(nb->front.user, command, err);
}

static int show_help(struct notebook *nb, const char *topic, struct phi3v_error *err)
{
    struct call c = {.nb = nb, .origin = NB_TYPED, .name = "help", .args = topic};
    return command_help(&c, err);
}

/* A parsed line; command is NULL for ! and ?. */
struct taken {
    const struct command *command;
    char *args;
    bool forced;
};

static int take_apart(const char *line, struct taken *ret, struct phi3v_error *err)
{
    size_t n = strcspn(line + 1, " \t\n");
    const char *rest = line + 1 + n;
    *ret = (struct taken){.forced = n > 1 && line[n] == '!'};
    if (!isalpha((unsigned char)line[1]))
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%.60s is no command: :help lists them, and ::TEXT is a prompt that begins "
                      "with a colon",
                      line);
    if (source_incomplete(line)) /* in a cell it would swallow what follows */
        return refuse(err, PHI3V_E_ARGUMENT,
                      "%.60s goes on: it needs its closing \"\"\" or next line", line);
    char *name = text_copyn(line + 1, n - ret->forced);
    if (!name) return memory_error(err);
    ret->command = command_find(name, err);
    free(name);
    if (!ret->command) return PHI3V_E_ARGUMENT;
    if (ret->forced && ret->command->run != command_save)
        return refuse(err, PHI3V_E_ARGUMENT, ":%s has no form with !", ret->command->name);
    ret->args = source_arguments(rest + strspn(rest, " \t\n"));
    return ret->args ? 0 : memory_error(err);
}

/* Checks who may use a line, before any of it is done. */
static int check_class(const struct command *command, const char *line, enum nb_origin origin,
                       struct phi3v_error *err)
{
    if (origin == NB_TYPED || (command && command->class == BY_ANYONE)) return 0;
    return refuse(err, PHI3V_E_ARGUMENT, "a cell from a file may not use %s%.60s",
                  command ? ":" : "", command ? command->name : line);
}

/* The same, and whether the command takes words where there are some. */
static int check_taken(const struct taken *t, const char *line, enum nb_origin origin,
                       struct phi3v_error *err)
{
    int rc = check_class(t->command, line, origin, err);
    if (rc || !t->command || !*t->args || *t->command->args) return rc;
    return refuse(err, PHI3V_E_ARGUMENT, ":%s takes no words, not \"%.60s\"", t->command->name,
                  t->args);
}

/* The line with the command's full name, and without secrets in addresses. */
static char *line_to_keep(const struct taken *t, const char *line)
{
    size_t n = 1 + strcspn(line + 1, " \t\n");
    char *whole = text_format(":%s%s", t->command->name, line + n);
    char *kept = whole ? nb_for_keeping(whole) : NULL;
    free(whole);
    return kept;
}

/* All memory is allocated before the command runs, so that its effect never lacks its line. */
static int run_recorded(struct call *c, const struct taken *t, const char *line, struct lines *to,
                        struct phi3v_error *err)
{
    static const struct int_list none = {0};
    char *kept = line_to_keep(t, line);
    bool added = kept && lines_add(to, kept, c->origin, &none);
    free(kept);
    if (!added) return memory_error(err);
    int rc = t->command->run(c, err);
    if (rc || c->shows_only) {
        lines_remove_last(to);
        return rc;
    }
    to->v[to->n - 1].images = c->images;
    c->images = (struct int_list){0};
    notebook_refresh(c->nb);
    return 0;
}

static int run_taken(struct notebook *nb, const struct taken *t, const char *line,
                     enum nb_origin origin, struct lines *to, struct phi3v_error *err)
{
    struct call c = {.nb = nb,
                     .origin = origin,
                     .name = t->command->name,
                     .args = t->args,
                     .forced = t->forced,
                     .settings = &nb->now};
    bool recorded = t->command->use & COMMAND_RECORD;
    int rc = recorded ? run_recorded(&c, t, line, to, err) : t->command->run(&c, err);
    int_list_free(&c.images);
    return rc;
}

int command_line(struct notebook *nb, const char *line, enum nb_origin origin,
                 struct phi3v_error *err)
{
    if (*line == '!' || *line == '?') {
        int rc = check_class(NULL, *line == '!' ? "! (the shell)" : "?", origin, err);
        if (rc) return rc;
        const char *rest = line + 1 + strspn(line + 1, " \t");
        return *line == '!' ? run_shell(nb, rest, err) : show_help(nb, rest, err);
    }
    struct taken t;
    int rc = take_apart(line, &t, err);
    if (!rc) rc = check_taken(&t, line, origin, err);
    if (!rc) rc = run_taken(nb, &t, line, origin, &nb->book.pending, err);
    free(t.args);
    return rc;
}

int command_into(struct notebook *nb, const char *line, enum nb_origin origin, struct lines *to,
                 struct phi3v_error *err)
{
    struct taken t = {0};
    int rc = *line == ':' ? take_apart(line, &t, err) : 0;
    if (!rc) rc = check_taken(&t, line, origin, err);
    if (!rc && (!t.command || !(t.command->use & COMMAND_RECORD)))
        rc = refuse(err, PHI3V_E_ARGUMENT, "%.60s does not belong into a cell: use it by itself",
                    line);
    if (!rc) rc = run_taken(nb, &t, line, origin, to, err);
    free(t.args);
    return rc;
}

int command_text(const char *line, char **ret, struct phi3v_error *err)
{
    struct taken t = {0};
    *ret = NULL;
    int rc = *line == ':' ? take_apart(line, &t, err) : 0;
    if (!rc) *ret = t.command ? line_to_keep(&t, line) : text_copy(line);
    free(t.args);
    return rc ? rc : *ret ? 0 : memory_error(err);
}

/* -- At the head of a cell -------------------------------------------------------------------- */

static int run_at_head(struct notebook *nb, struct cell *cell, struct line *line,
                       const struct inherited *s, struct phi3v_error *err)
{
    struct taken t = {0};
    int rc = *line->text == ':' ? take_apart(line->text, &t, err) : 0;
    if (!rc) rc = check_taken(&t, line->text, line->origin, err);
    if (!rc && (!t.command || !(t.command->use & COMMAND_RECORD)))
        rc = refuse(err, PHI3V_E_ARGUMENT, "%.60s does not belong into a cell", line->text);
    if (!rc && line->images.n == 0) {
        struct call c = {.nb = nb,
                         .origin = line->origin,
                         .name = t.command->name,
                         .args = t.args,
                         .cell = cell,
                         .settings = &s->settings};
        rc = t.command->run(&c, err);
        if (!rc)
            line->images = c.images;
        else
            int_list_free(&c.images);
    }
    free(t.args);
    return rc;
}

int commands_at_head(struct notebook *nb, struct cell *cell, struct inherited *s,
                     struct phi3v_error *err)
{
    int rc = 0;
    for (int k = 0; k < cell->lines.n && !rc; k++) {
        struct line *line = &cell->lines.v[k];
        rc = run_at_head(nb, cell, line, s, err);
        if (!rc) rc = line_apply(line, s, err);
    }
    return rc;
}
