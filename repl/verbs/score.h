/* SPDX-License-Identifier: GPL-3.0-or-later
 * How well an answer agrees with what is known about a picture. Letters are UTF-8 characters, ASCII
 * case is ignored where said, and a run of blanks and line breaks counts as one blank. */
#ifndef VERBS_SCORE_H
#define VERBS_SCORE_H

#include <stdbool.h>
#include <stddef.h>

/* Whether the texts are the same except for blanks. */
bool score_same(const char *got, const char *want);
/* Whether the text contains the fact as whole words, ignoring case. */
bool score_contains(const char *text, const char *fact);
/* The edits (Levenshtein) that turn `got` into `want`, ignoring case; with `anywhere`, those for
 * the stretch of `got` that needs fewest (Sellers 1980). *ret_letters is the length of `want`. */
size_t score_edits(const char *got, const char *want, bool anywhere, size_t *ret_letters);
/* The part of the text after the last full stop followed by a blank, where an answer that lists
 * what it saw draws its conclusion. Points into text. */
const char *score_last_sentence(const char *text);
/* How many of want[n] can be matched one to one with numbers in the text at most `tolerance` away.
 * "1,200" is read as 1200. */
size_t score_numbers(const char *text, const double *want, size_t n, double tolerance);

#endif
