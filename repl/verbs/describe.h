/* SPDX-License-Identifier: GPL-3.0-or-later
 * Describes the command line for the manual page and shell completions, from the same tables that
 * it is parsed with. */
#ifndef VERBS_DESCRIBE_H
#define VERBS_DESCRIBE_H

#include "verbs/verbs.h"

enum option_values {
    VALUES_NONE,  /* it takes no value */
    VALUES_OTHER, /* a value that cannot be listed */
    VALUES_LISTED,
    VALUES_FILES,
    VALUES_FOLDERS,
    VALUES_MODELS,
    VALUES_SETTINGS /* NAME=VALUE */
};

struct shown_option {
    const char *name;
    char letter;      // 0: none
    const char *arg;  // NULL: takes no value
    const char *help; // its first line
    bool many;        // may be repeated
    enum option_values values;
    char listed[128]; // for VALUES_LISTED: the values, separated by blanks
};

typedef void shown_option_fn(const struct shown_option *option, void *user);

/* Calls fn for a verb's options, its own first; verb NULL: for those that all verbs have. */
void each_option(const struct verb *verb, shown_option_fn *fn, void *user);
/* The same for only the verb's own options. */
void each_own_option(const struct verb *verb, shown_option_fn *fn, void *user);

/* These write to standard output. */
void describe_bash(void);
void describe_zsh(void);
void describe_fish(void);

#endif
