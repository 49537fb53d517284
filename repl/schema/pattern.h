/* SPDX-License-Identifier: MIT
 * Strings that match a regular expression, as a rule. The part of the syntax that is regular:
 * characters, classes, groups, |, the quantifiers, and ^ and $ at the ends. Where dialects differ
 * (\w, \d, \s, what a dot leaves out) only what all of them take is written. */
#ifndef SCHEMA_PATTERN_H
#define SCHEMA_PATTERN_H

#include "schema/grammar.h"

/* A string in quotes of min to max characters in which the pattern (UTF-8) is found. Returns the
 * rule, or -1 with *ret_why: what of the pattern is not supported, static. */
int32_t rule_pattern(struct grammar *g, const char *pattern, int32_t min, int32_t max,
                     const char **ret_why);

#endif
