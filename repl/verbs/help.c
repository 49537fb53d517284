/* SPDX-License-Identifier: GPL-3.0-or-later
 * phiscope help: made from the tables of verbs, options and commands. */
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "notebook/commands.h"
#include "verbs/describe.h"

static void print_option(const struct shown_option *o, void *user)
{
    char letter[8] = "    ", left[60];
    (void)user;
    if (o->letter) snprintf(letter, sizeof letter, "-%c, ", o->letter);
    snprintf(left, sizeof left, "%s--%s %s", letter, o->name, o->arg ? o->arg : "");
    printf("  %-32s %s\n", left, o->help);
}

const char help_status[] = "0 fine, 1 an answer failed, 2 wrong use, 3 no such model or device,\n"
                           "4 an input could not be read, 130 interrupted.\n";

void help_print(void)
{
    printf("phiscope %s: Phi-3-Vision in a notebook in the terminal\n\n"
           "  phiscope [-m MODEL] [NOTEBOOK.ipynb | PICTURE...]   the notebook\n",
           phi3v_version());
    for (int i = 0; i < n_verbs; i++) {
        if (!verb_table[i].help) continue;
        char *left = xasprintf("phiscope %s %s", verb_table[i].name, verb_table[i].usage);
        printf("  %s\n      %s\n", left, verb_table[i].help);
        free(left);
    }
    printf("\nOptions\n");
    each_option(NULL, print_option, NULL);
    printf("\nExit status: %sPHISCOPE_MODEL names the model if there is no -m.\n", help_status);
}

void help_verb(const struct verb *verb)
{
    printf("phiscope %s %s\n%s\n", verb->name, verb->usage, verb->help ? verb->help : "");
    if (verb->more) printf("\n%s", verb->more);
    if (!(verb->options & ~OPTION_COMMON)) return;
    printf("\nOptions of %s, besides the common ones\n", verb->name);
    each_own_option(verb, print_option, NULL);
}

static const struct verb *verb_by_name(const char *name)
{
    for (int i = 0; i < n_verbs; i++)
        if (!strcmp(verb_table[i].name, name)) return &verb_table[i];
    return NULL;
}

int help_main(struct options *opt, int argc, char **argv)
{
    if (argc < 2) {
        help_print();
        return EXIT_FINE;
    }
    if (argc > 2) return verb_misuse(opt, "help takes one topic; \"%s\" is another word", argv[2]);
    const char *topic = argv[1];
    const struct verb *verb = verb_by_name(topic);
    if (verb) {
        help_verb(verb);
        return EXIT_FINE;
    }
    char *text = help_text(topic);
    if (!text)
        return verb_misuse(opt,
                           "no help on \"%s\": phiscope help lists verbs, phiscope help commands "
                           "the REPL's commands",
                           topic);
    fputs(text, stdout);
    free(text);
    return EXIT_FINE;
}
