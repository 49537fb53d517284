/* SPDX-License-Identifier: GPL-3.0-or-later
 * How well an answer agrees with what is known about a picture. Letters are UTF-8 characters; case
 * counts for ASCII letters where said; every run of blanks and line breaks is one blank. */
#ifndef REPL_SCORE_H
#define REPL_SCORE_H

#include <stdbool.h>
#include <stddef.h>

/* The same text but for blanks. */
bool score_same(const char *got, const char *want);
/* The fact stands in the text as whole words, case ignored. */
bool score_contains(const char *text, const char *fact);
/* Fewest letters to insert, delete or replace (Levenshtein) to make `want` of `got`, case ignored;
 * with `anywhere` of whichever stretch of `got` is nearest (Sellers 1980). *ret_letters: of `want`.
 */
size_t score_edits(const char *got, const char *want, bool anywhere, size_t *ret_letters);
/* The part of the text behind the last full stop that a blank follows: where an answer that lists
 * what it saw comes to its conclusion. A pointer into text. */
const char *score_last_sentence(const char *text);
/* How many of want[n] have a number of their own in the text that is at most `tolerance` away.
 * "1,200" and "1200" are one number. */
size_t score_numbers(const char *text, const double *want, size_t n, double tolerance);

#endif
