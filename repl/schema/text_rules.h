/* SPDX-License-Identifier: MIT
 * Rules for JSON strings: any text within a range of lengths, keys other than given ones, and
 * ranges of characters. */
#ifndef SCHEMA_TEXT_RULES_H
#define SCHEMA_TEXT_RULES_H

#include "schema/grammar.h"

enum { LAST_CHARACTER = 0x10ffff };

/* A string in quotes of min to max characters, which may be escaped; no lone surrogates and no
 * \u0000, which many readers refuse. */
int32_t rule_string(struct grammar *g, int32_t min, int32_t max);
/* Adds to `from`, within an object's rule, a key in quotes that is not among names, has no escapes
 * and is not empty. Returns the state after the closing quote. */
int32_t other_key(struct grammar *g, int32_t from, const char *const *names, size_t n_names);
/* One character from lo to hi as JSON writes it in quotes: as it is or, if it must be escaped, with
 * its two-character escape. Leaves out surrogates, and control characters without such an
 * escape. */
void character(struct grammar *g, int32_t from, uint32_t lo, uint32_t hi, int32_t to);

#endif
