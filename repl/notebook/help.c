/* SPDX-License-Identifier: MIT
 * :help, generated from the tables of commands and settings. */
#include <stdlib.h>
#include <string.h>

#include "notebook/commands.h"

static const char keys[] =
    "  Enter             sends; goes on in a new line behind a final \\ or in open \"\"\"\n"
    "  Alt-Enter         a new line\n"
    "  Tab               completes commands, paths, pictures, settings\n"
    "  Up, Down, Ctrl-R  what was typed before\n"
    "  Ctrl-C            empties the line; stops reading or answering and keeps what is there\n"
    "  Ctrl-L            draws the last cell again\n"
    "  Ctrl-X Ctrl-E     the line in $VISUAL or $EDITOR\n"
    "  Ctrl-D            leaves, on an empty line\n";

static const char prompts[] =
    "  text                    a prompt; Enter sends it with the staged pictures\n"
    "  @1 @cover @1-3          pictures inside a prompt; @file.png and @URL load them, too\n"
    "  {Out[3]} {_}            paste an earlier answer\n"
    "  ::text                  a prompt that begins with a colon\n"
    "  !command                the shell\n";

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

static void add_group(struct text *t, const char *group)
{
    text_addf(t, "%s\n", group);
    for (int i = 0; i < n_commands; i++) {
        const struct command *c = &command_table[i];
        if (strcmp(c->group, group) != 0) continue;
        char *left = text_format(":%s %s", c->name, c->args);
        if (left && strlen(left) <= 28)
            text_addf(t, "  %-28s %s\n", left, c->help);
        else
            text_addf(t, "  %s\n  %28s %s\n", left ? left : "", "", c->help);
        free(left);
    }
}

static char *help_on_all(void)
{
    static const char *const groups[] = {"pictures", "cells", "settings", "looking", "files"};
    struct text t = {0};
    for (size_t i = 0; i < sizeof groups / sizeof *groups; i++) add_group(&t, groups[i]);
    text_addf(&t,
              "prompts\n%s\n:help COMMAND explains one, :help keys the keys, :help settings the "
              "settings\n",
              prompts);
    return text_take(&t);
}

static char *help_on_settings(void)
{
    struct text t = {0};
    for (int i = 0; i < n_settings; i++) {
        if (!(setting_table[i].use & SETTING_SHOWN)) continue;
        char *name = setting_name(&setting_table[i]);
        text_addf(&t, "  %-19s %s\n", name ? name : "", setting_table[i].help);
        free(name);
    }
    return text_take(&t);
}

char *help_text(const char *topic)
{
    if (*topic == ':') topic++;
    if (!*topic || !strcmp(topic, "commands")) return help_on_all();
    if (!strcmp(topic, "keys")) return text_copy(keys);
    if (!strcmp(topic, "settings")) return help_on_settings();
    const struct command *c = command_find(topic, NULL);
    return c ? help_on(c) : NULL;
}
