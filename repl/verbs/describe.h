/* SPDX-License-Identifier: GPL-3.0-or-later
 * What the command line can say, out of the tables that it is read with: for the manual page and
 * for the completions of shells. */
#ifndef VERBS_DESCRIBE_H
#define VERBS_DESCRIBE_H

#include "verbs/verbs.h"

enum option_values {
    VALUES_NONE,  /* it takes no value */
    VALUES_OTHER, /* one that cannot be listed */
    VALUES_LISTED,
    VALUES_FILES,
    VALUES_FOLDERS,
    VALUES_MODELS,
    VALUES_SETTINGS /* NAME=VALUE */
};

struct shown_option {
    const char *name;
    char letter;      // 0: none
    const char *arg;  // NULL: takes none
    const char *help; // its first line
    bool many;        // may be given several times
    enum option_values values;
    char listed[128]; // VALUES_LISTED: with blanks between
};

typedef void shown_option_fn(const struct shown_option *option, void *user);

/* Those of a verb, its own first. NULL: those that all verbs have. */
void each_option(const struct verb *verb, shown_option_fn *fn, void *user);
/* Only what it has besides. */
void each_own_option(const struct verb *verb, shown_option_fn *fn, void *user);

/* To standard output. */
void describe_bash(void);
void describe_zsh(void);
void describe_fish(void);

#endif
