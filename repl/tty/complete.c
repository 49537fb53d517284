/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <stdlib.h>
#include <string.h>

#include <readline/readline.h>

#include "notebook/commands.h"
#include "tty/complete.h"
#include "notebook/words.h"

static struct repl *repl; /* readline's callbacks take no argument */

/* -- Candidates ----------------------------------------------------------------------------- */

/* The next of i, i + 1, … whose name begins with text; how: i-th name, NULL at the end, "" to leave
 * out. */
static char *next_match(const char *text, int state, char *(*name_at)(int i))
{
    static int i;
    if (!state) i = 0;
    for (char *name; (name = name_at(i)) != NULL;) {
        i++;
        if (*name && !strncmp(name, text, strlen(text))) return name;
        free(name);
    }
    return NULL;
}

static char *command_at(int i)
{
    return i < n_commands ? xasprintf(":%s", command_table[i].name) : NULL;
}

static char *setting_at(int i)
{
    if (i >= n_options) return NULL;
    char *name = xstrdup(option_table[i].use & OPTION_SETTING ? option_table[i].name : "");
    for (char *p = name; *p; p++)
        if (*p == '-') *p = '_';
    return name;
}

static char *handle_at(int i)
{
    const struct handles *h = &repl->book.handles;
    if (i >= 2 * h->n) return NULL;
    const struct handle *p = &h->v[i / 2];
    if (p->dropped || (i % 2 && !p->name)) return xstrdup("");
    return i % 2 ? xasprintf("@%s", p->name) : xasprintf("@%d", i / 2 + 1);
}

static char *command_matches(const char *text, int state)
{
    return next_match(text, state, command_at);
}

static char *setting_matches(const char *text, int state)
{
    return next_match(text, state, setting_at);
}

static char *handle_matches(const char *text, int state)
{
    return next_match(text, state, handle_at);
}

/* Files behind the @. */
static char *file_matches(const char *text, int state)
{
    rl_filename_completion_desired = 1;
    char *path = text[1] ? rl_filename_completion_function(text + 1, state) : NULL;
    char *match = path ? xasprintf("@%s", path) : NULL;
    free(path);
    return match;
}

/* -- Quoting of file names ------------------------------------------------------------------ */

static int is_quoted(char *text, int at)
{
    int slashes = 0;
    while (at - 1 - slashes >= 0 && text[at - 1 - slashes] == '\\') slashes++;
    return slashes % 2;
}

static char *quote(char *text, int match_type, char *quote_pointer)
{
    (void)match_type, (void)quote_pointer;
    return word_quote(text);
}

static char *dequote(char *text, int quote_char)
{
    (void)quote_char;
    struct strings words;
    words_split(text, &words);
    char *plain = xstrdup(words.n ? words.v[0] : "");
    strings_free(&words);
    return plain;
}

/* -- By position ---------------------------------------------------------------------------- */

static bool takes_files(const char *command)
{
    return !strcmp(command, "load") || !strcmp(command, "save") || !strcmp(command, "open") ||
           !strcmp(command, "model") || !strcmp(command, "foreach");
}

static char **complete(const char *text, int start, int end)
{
    (void)end;
    rl_attempted_completion_over = 1;
    if (*text == '@') {
        char **handles = rl_completion_matches(text, handle_matches);
        return handles ? handles : rl_completion_matches(text, file_matches);
    }
    if (rl_line_buffer[0] != ':') return NULL;
    if (start == 0) return rl_completion_matches(text, command_matches);
    char *name = xstrndup(rl_line_buffer + 1, strcspn(rl_line_buffer + 1, " "));
    struct phi3v_error err;
    const struct command *command = command_find(name, &err);
    free(name);
    if (!command) return NULL;
    if (command->use & COMMAND_SETS) return rl_completion_matches(text, setting_matches);
    if (takes_files(command->name)) rl_attempted_completion_over = 0;
    return NULL;
}

void complete_setup(struct repl *r)
{
    repl = r;
    rl_attempted_completion_function = complete;
    rl_completer_word_break_characters = " \t\n";
    rl_completer_quote_characters = "\"'";
    rl_filename_quote_characters = " \t\n\\\"'";
    rl_filename_quoting_function = quote;
    rl_filename_dequoting_function = dequote;
    rl_char_is_quoted_p = is_quoted;
}
