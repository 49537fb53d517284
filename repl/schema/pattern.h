/* SPDX-License-Identifier: MIT
 * A rule for strings that match a regular expression. It supports the regular part of the syntax:
 * characters, classes, groups, |, the quantifiers, and ^ and $ at the ends. Where dialects differ
 * (\w, \d, \s, what a dot excludes) it writes only what all of them match. */
#ifndef SCHEMA_PATTERN_H
#define SCHEMA_PATTERN_H

#include "schema/grammar.h"

/* A string in quotes of min to max characters that contains a match of the pattern (UTF-8). Returns
 * the rule, or -1 and in *ret_why a static text on what is not supported. */
int32_t rule_pattern(struct grammar *g, const char *pattern, int32_t min, int32_t max,
                     const char **ret_why);

#endif
