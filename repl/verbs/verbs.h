/* SPDX-License-Identifier: GPL-3.0-or-later
 * The verbs of the command line. Each gets the options read so far and its own words (argv[0] is
 * the verb), and returns an exit status. */
#ifndef VERBS_VERBS_H
#define VERBS_VERBS_H

#include "verbs/verb_report.h"

enum verb_words { WORDS_NONE, WORDS_FILES, WORDS_FOLDERS, WORDS_MODELS, WORDS_TOPICS };

struct verb {
    const char *name;
    int (*run)(struct options *opt, int argc, char **argv);
    const char *usage; /* the words after the verb */
    const char *help;  /* one line; NULL: used by the build only, not listed */
    const char *more;  /* for help TOPIC; may be NULL */
    int options;       /* mask of enum option_use; 0: the verb reads options itself */
    const char *first; /* "a|b": the choices for its first word; NULL: like the other words */
    enum verb_words words;
};

extern const struct verb verb_table[];
extern const int n_verbs;

int ask_main(struct options *opt, int argc, char **argv);
int script_main(struct options *opt, int argc, char **argv);
int debug_main(struct options *opt, int argc, char **argv);
int eval_main(struct options *opt, int argc, char **argv);
int models_main(struct options *opt, int argc, char **argv);
int quantize_main(struct options *opt, int argc, char **argv);
int pull_main(struct options *opt, int argc, char **argv);
int devices_main(struct options *opt, int argc, char **argv);
int kernel_main(struct options *opt, int argc, char **argv);
int serve_main(struct options *opt, int argc, char **argv);
int doctor_main(struct options *opt, int argc, char **argv);
int describe_main(struct options *opt, int argc, char **argv);
int help_main(struct options *opt, int argc, char **argv);
/* Runs a script from a file or standard input ("-"). Returns the exit status. */
int script_run(const struct options *opt, const char *file);

/* Reads the verb's options; *ret_words then points to the *ret_n other words. Returns -1 to go on,
 * else the exit status (an error was reported, or --help was answered). */
int verb_options(struct options *opt, int argc, char **argv, char ***ret_words, int *ret_n);
/* Reports wrong use of a verb and returns EXIT_USAGE. */
int verb_misuse(const struct options *opt, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

void help_print(void);
void help_verb(const struct verb *verb);
extern const char help_status[]; /* the meaning of the exit statuses, one per line */

#endif
