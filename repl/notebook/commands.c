/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"
#include "tty/child.h"

/* -- The table ------------------------------------------------------------------------------ */

const struct command command_table[] = {
    {"load", "WHAT... [as NAME]", "load pictures and stage them for the next prompt",
     ":load chart.png https://example.org/book.jpg\n:load photos/*.jpg\n:load cover.jpg as cover",
     command_load, COMMAND_RECORD},
    {"images", "", "list the pictures", ":images", command_images, 0},
    {"show", "[@n] [model]", "draw a picture again, or what the model sees of it",
     ":show @1\n:show @1 model", command_show, 0},
    {"unstage", "", "take no picture into the next prompt", ":unstage", command_unstage,
     COMMAND_RECORD},
    {"drop", "@n", "forget a picture", ":drop @2", command_drop, COMMAND_RECORD},
    {"cells", "[RANGE]", "list cells with their state", ":cells\n:cells 2-5", command_cells, 0},
    {"edit", "[n [TEXT]]", "change a cell and run it; the cells below turn stale",
     ":edit 2\n:edit 2 And in one word?", command_edit, 0},
    {"run", "RANGE [key=value...]", "run cells again", ":run 2-4\n:run 3 temperature=0.7 seed=1",
     command_run, 0},
    {"retry", "[n]", "another answer to the same prompt", ":retry\n:retry 2", command_retry, 0},
    {"more", "[n]", "go on with an answer that was interrupted or too long", ":more", command_more,
     0},
    {"foreach", "WHAT... [n|\"PROMPT\"] [to FILE]",
     "ask one question of many pictures, each by itself",
     ":foreach @1 @2\n:foreach photos/*.jpg \"Who is in it?\" to people.csv\n:foreach @all 3",
     command_foreach, COMMAND_WRITES},
    {"undo", "", "take the latest change of a cell back", ":undo", command_undo, 0},
    {"reset", "[all]", "begin a new conversation; all: without pictures and settings too",
     ":reset\n:reset all", command_reset, 0},
    {"info", "", "facts about model, machine and terminal", ":info", command_info, 0},
    {"stats", "", "speed, first token, reuse, memory", ":stats", command_stats, 0},
    {"context", "", "how much of the context each cell takes", ":context", command_context, 0},
    {"prompt", "[n] [ids]", "the exact prompt of a cell, as text or ids",
     ":prompt 2\n:prompt 2 ids", command_prompt, 0},
    {"set", "[key [value]]", "show or change settings", ":set\n:set temperature 0.7", command_set,
     COMMAND_RECORD | COMMAND_SETS},
    {"system", "[TEXT|off]", "the system turn before the conversation",
     ":system Answer in one sentence.\n:system off", command_system, COMMAND_RECORD},
    {"model", "[NAME]", "show or switch the model", ":model default", command_model, 0},
    {"save", "[FILE]", "write the notebook: .ipynb, or .md, .txt, .json by name",
     ":save chart.ipynb", command_save, COMMAND_WRITES},
    {"open", "FILE", "open a notebook; nothing in it runs by itself", ":open chart.ipynb",
     command_open, COMMAND_WRITES},
    {"history", "[-g PATTERN]", "what was typed before", ":history\n:history -g chart",
     command_history, 0},
    {"help", "[COMMAND]", "this help", ":help load", command_help_show, 0},
    {"quit", "", "leave", ":quit", command_quit, 0},
};
const int n_commands = (int)(sizeof command_table / sizeof command_table[0]);

/* -- Names ---------------------------------------------------------------------------------- */

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
    if (n_found > 1) refuse(err, PHI3V_E_ARGUMENT, ":%s can mean %s", name, candidates.s);
    text_free(&candidates);
    if (!n_found) unknown_command(name, err);
    return n_found == 1 ? found : NULL;
}

bool is_command_line(const char *line)
{
    return (line[0] == ':' && line[1] != ':') || line[0] == '!' || line[0] == '?';
}

/* -- Other programs' habits ----------------------------------------------------------------- */

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
        {".quit", ":quit"},       {"exit", ":quit"},         {"quit", ":quit"},
        {"exit()", ":quit"},      {"quit()", ":quit"},       {"help", ":help"},
    };
    size_t n = strcspn(line, " \t\n");
    bool bare = isalpha((unsigned char)*line); /* "exit" alone; "exit strategies?" is a prompt */
    for (size_t i = 0; i < sizeof habit / sizeof *habit; i++)
        if (strlen(habit[i].theirs) == n && !strncmp(habit[i].theirs, line, n) &&
            !(bare && line[n + strspn(line + n, " \t\n")]))
            return habit[i].ours;
    return NULL;
}

/* -- Running -------------------------------------------------------------------------------- */

static int run_shell(struct repl *r, const char *command, struct phi3v_error *err)
{
    if (r->from_file)
        return refuse(err, PHI3V_E_ARGUMENT, "!%.60s: cells from a file run no shell commands",
                      command);
    if (!command[strspn(command, " \t")])
        return refuse(err, PHI3V_E_ARGUMENT, "! wants a command: !ls");
    /* A script's standard output holds answers only. */
    char *line = r->script ? xasprintf("{ %s\n} >&2", command) : xstrdup(command);
    int rc = child_run(r->term, line);
    free(line);
    if (rc == -1) return refuse(err, PHI3V_E_IO, "the shell cannot be started");
    if (rc && r->script) return refuse(err, PHI3V_E_ARGUMENT, "!%.60s failed", command);
    return 0;
}

static int run_command(struct repl *r, const char *line, struct phi3v_error *err)
{
    size_t n = strcspn(line + 1, " \t\n");
    char *name = xstrndup(line + 1, n);
    const struct command *command = command_find(name, err);
    free(name);
    if (!command) return PHI3V_E_ARGUMENT;
    if (r->from_file && command->use & COMMAND_WRITES)
        return refuse(err, PHI3V_E_ARGUMENT, ":%s does not run from a cell of a file",
                      command->name);
    char *args = xstrdup(line + 1 + n + strspn(line + 1 + n, " \t\n"));
    char *end = args + strlen(args);
    while (end > args && isspace((unsigned char)end[-1])) *--end = 0;
    bool shows_only = !*args && *command->args; /* ":set" alone changes nothing */
    int rc = command->run(r, args, err);
    free(args);
    if (!rc && command->use & COMMAND_RECORD && !shows_only && !r->from_file)
        strings_add(&r->book.commands, line);
    return rc;
}

int command_line(struct repl *r, const char *line, struct phi3v_error *err)
{
    if (line[0] == '!') return run_shell(r, line + 1, err);
    if (line[0] == '?') {
        char *topic = xstrdup(line + 1 + strspn(line + 1, " \t"));
        int rc = command_help_show(r, topic, err);
        free(topic);
        return rc;
    }
    return run_command(r, line, err);
}

/* -- Help ----------------------------------------------------------------------------------- */

static char *help_on(const struct command *c)
{
    struct text t = {0};
    text_addf(&t, ":%s %s\n    %s\n", c->name, c->args, c->help);
    const char *example = c->example;
    while (*example) {
        size_t n = strcspn(example, "\n");
        text_addf(&t, "    e.g. %.*s\n", (int)n, example);
        example += n + (example[n] == '\n');
    }
    return text_take(&t);
}

char *command_help(const char *topic)
{
    if (*topic == ':') topic++;
    if (*topic && strcmp(topic, "commands") != 0) {
        struct phi3v_error err;
        const struct command *c = command_find(topic, &err);
        return c ? help_on(c) : NULL;
    }
    struct text t = {0};
    for (int i = 0; i < n_commands; i++) {
        char *left = xasprintf(":%s %s", command_table[i].name, command_table[i].args);
        text_addf(&t, "  %-28s %s\n", left, command_table[i].help);
        free(left);
    }
    text_add(&t,
             "\n"
             "  text                         a prompt; Enter sends it with the staged pictures\n"
             "  @1 @cover @file.png @URL     a picture inside a prompt\n"
             "  {Out[3]} {_}                 paste an earlier answer\n"
             "  ::text                       a prompt that begins with a colon\n"
             "  !command                     the shell\n"
             "  Alt-Enter, a final \\, or \"\"\"  more lines     Ctrl-X Ctrl-E  editor\n"
             "  Ctrl-C stops an answer, :more goes on         Ctrl-D  leaves\n");
    return text_take(&t);
}
