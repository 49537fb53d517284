/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope describe: writes the manual page and the completions when phiscope is built. */
#include <stdlib.h>
#include <string.h>

#include "bench.h"
#include "common/must.h"
#include "notebook/commands.h"
#include "verbs/describe.h"

/* -- Options ---------------------------------------------------------------------------------- */

/* Turns "auto|cpu|cuda[:N]" into "auto cpu cuda", without the parts in brackets. */
static void list_values(const char *from, char *to, size_t n_bytes)
{
    size_t n = 0;
    int depth = 0;
    for (; *from && n + 1 < n_bytes; from++) {
        if (*from == '[') depth++;
        if (!depth) to[n++] = (char)(*from == '|' ? ' ' : *from);
        if (*from == ']') depth--;
    }
    to[n] = 0;
}

static void find_values(struct shown_option *o, const char *choices)
{
    const char *arg = o->arg;
    const char *listed = choices ? choices : arg && strchr(arg, '|') ? arg : NULL;
    o->values = VALUES_OTHER;
    if (!arg) {
        o->values = VALUES_NONE;
    } else if (listed) {
        o->values = VALUES_LISTED;
        list_values(listed, o->listed, sizeof o->listed);
    } else if (!strcmp(arg, "FILE") || !strcmp(arg, "IMAGE")) {
        o->values = VALUES_FILES;
    } else if (!strcmp(arg, "DIR")) {
        o->values = VALUES_FOLDERS;
    } else if (!strcmp(arg, "MODEL")) {
        o->values = VALUES_MODELS;
    }
}

static void each_of_mask(int mask, int without, shown_option_fn *fn, void *user)
{
    int has;
    const struct setting *spec;
    for (int i = 0; (spec = option_at(i, &has)); i++) {
        if (!(has & mask) || has & without) continue;
        struct shown_option o = {.name = spec->name,
                                 .letter = spec->letter,
                                 .arg = spec->arg,
                                 .help = spec->help,
                                 .many = spec->type == SETTING_LIST};
        find_values(&o, spec->choices);
        fn(&o, user);
    }
}

static void each_of_bench(shown_option_fn *fn, void *user)
{
    for (int i = 0; i < n_bench_options; i++) {
        const struct bench_option *b = &bench_options[i];
        char *first = xstrndup(b->help, strcspn(b->help, "\n"));
        struct shown_option o = {
            .name = b->name, .letter = b->letter, .arg = b->arg, .help = first};
        find_values(&o, NULL);
        fn(&o, user);
        free(first);
    }
}

void each_own_option(const struct verb *verb, shown_option_fn *fn, void *user)
{
    if (!strcmp(verb->name, "bench"))
        each_of_bench(fn, user);
    else
        each_of_mask(verb->options & ~OPTION_COMMON, OPTION_COMMON, fn, user);
}

void each_option(const struct verb *verb, shown_option_fn *fn, void *user)
{
    static const struct shown_option set = {.name = "set",
                                            .arg = "KEY=VALUE",
                                            .help = "any setting by name",
                                            .many = true,
                                            .values = VALUES_SETTINGS};
    if (verb) each_own_option(verb, fn, user);
    if (verb && !(verb->options & OPTION_COMMON)) return;
    each_of_mask(OPTION_COMMON, 0, fn, user);
    fn(&set, user);
}

/* -- The manual page -------------------------------------------------------------------------- */

/* Writes text line by line, escaped for the page's source. */
static void put(const char *text)
{
    bool begins = true;
    for (; *text; text++) {
        if (begins && (*text == '.' || *text == '\'')) fputs("\\&", stdout);
        if (*text == '\\')
            fputs("\\e", stdout);
        else if (*text == '-')
            fputs("\\-", stdout);
        else
            putchar(*text);
        begins = *text == '\n';
    }
}

static void put_line(const char *macro, const char *text)
{
    printf("%s", macro);
    put(text);
    putchar('\n');
}

/* Writes lines to be filled, except those that begin with `own` or show an example. */
static void put_filled(const char *text, const char *own)
{
    while (*text) {
        size_t n = strcspn(text, "\n");
        char *line = xstrndup(text, n);
        if (!strncmp(line, own, strlen(own)) || !strncmp(line, "Example:", 8)) puts(".br");
        put_line("", line);
        free(line);
        text += n + (text[n] == '\n');
    }
}

static void put_option(const struct shown_option *o, void *user)
{
    (void)user;
    puts(".TP");
    printf(".B ");
    if (o->letter) printf("\\-%c, ", o->letter);
    printf("\\-\\-");
    put(o->name);
    if (o->arg) {
        fputs(" \\fI", stdout);
        put(o->arg);
        fputs("\\fR", stdout);
    }
    putchar('\n');
    put_line("", o->help);
}

static void put_verbs(void)
{
    puts(".SH VERBS");
    for (int i = 0; i < n_verbs; i++) {
        const struct verb *v = &verb_table[i];
        if (!v->help) continue;
        printf(".SS ");
        put(v->name);
        if (*v->usage) putchar(' ');
        put(v->usage);
        putchar('\n');
        put_line("", v->help);
        if (v->more) {
            puts(".PP");
            put_filled(v->more, v->name);
        }
        each_own_option(v, put_option, NULL);
    }
}

static void put_commands(void)
{
    puts(".SH COMMANDS OF THE NOTEBOOK");
    for (int i = 0; i < n_commands; i++) {
        const struct command *c = &command_table[i];
        puts(".TP");
        printf(".B :%s ", c->name);
        fputs("\\fI", stdout);
        put(c->args);
        puts("\\fR");
        put_line("", c->help);
    }
}

static void put_settings(void)
{
    puts(".SH SETTINGS\n"
         "Of the notebook, shown and changed by :set, and by \\-\\-set before it opens.");
    for (int i = 0; i < n_settings; i++) {
        if (!(setting_table[i].use & SETTING_SHOWN)) continue;
        char *name = setting_name(&setting_table[i]);
        puts(".TP");
        put_line(".B ", must(name));
        put_line("", setting_table[i].help);
        free(name);
    }
}

static void put_keys(void)
{
    char *keys = must(help_text("keys"));
    puts(".SH KEYS\n.nf");
    put(keys);
    puts(".fi");
    free(keys);
}

static void describe_man(void)
{
    printf(".TH PHISCOPE 1 \"\" \"phiscope %s\" \"User Commands\"\n", phi3v_version());
    puts(".SH NAME\n"
         "phiscope \\- Phi\\-3\\-Vision in a notebook in the terminal\n"
         ".SH SYNOPSIS\n"
         ".B phiscope\n"
         ".RI [ options ]\n"
         ".RI [ NOTEBOOK.ipynb \" | \" PICTURE ...]\n"
         ".br\n"
         ".B phiscope\n"
         ".I verb\n"
         ".RI [ options \"] [\" words ]\n"
         ".SH DESCRIPTION\n"
         "Answers questions about pictures with Microsoft's Phi\\-3\\-Vision, on this machine.\n"
         "Without a verb it opens a notebook: numbered cells, pictures drawn in the terminal,\n"
         "streamed answers.  A small model of its own is built in; the real ones are fetched\n"
         "with\n"
         ".BR \"phiscope pull\" .");
    put_verbs();
    puts(".SH OPTIONS");
    each_option(NULL, put_option, NULL);
    put_commands();
    put_settings();
    put_keys();
    puts(".SH EXIT STATUS");
    put(help_status);
    puts(".SH ENVIRONMENT\n"
         ".TP\n.B PHISCOPE_MODEL\nthe model when no \\-m is given\n"
         ".TP\n.B HF_HOME, HF_HUB_CACHE\nthe folder of the Hugging Face cache\n"
         ".TP\n.B HF_TOKEN\na token for gated models on the hub\n"
         ".TP\n.B NO_COLOR\nno colours\n"
         ".SH SEE ALSO\n"
         "docs/repl.md and docs/environment.md of the sources");
}

/* -- The verb --------------------------------------------------------------------------------- */

int describe_main(struct options *opt, int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*write)(void);
    } forms[] = {{"man", describe_man},
                 {"bash", describe_bash},
                 {"zsh", describe_zsh},
                 {"fish", describe_fish}};
    for (size_t i = 0; argc == 2 && i < sizeof forms / sizeof *forms; i++) {
        if (strcmp(forms[i].name, argv[1]) != 0) continue;
        forms[i].write();
        return EXIT_FINE;
    }
    return verb_misuse(opt, "describe needs one of man, bash, zsh and fish");
}
