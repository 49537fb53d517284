/* SPDX-License-Identifier: MIT
 * Rules for JSON's strings: any text of so many characters, keys other than some, and characters by
 * their numbers. */
#ifndef SCHEMA_TEXT_RULES_H
#define SCHEMA_TEXT_RULES_H

#include "schema/grammar.h"

enum { LAST_CHARACTER = 0x10ffff };

/* A string in quotes of min to max characters, escapes included: no lone halves of surrogates and
 * no \u0000, which many readers refuse. */
int32_t rule_string(struct grammar *g, int32_t min, int32_t max);
/* From `from`, within an object's rule: a key in quotes that is none of names, has no escapes and is
 * not empty. Returns the state behind the closing quote. */
int32_t other_key(struct grammar *g, int32_t from, const char *const *names, size_t n_names);
/* One character from lo to hi as JSON writes it between quotes: as it is, or, where it must have an
 * escape, with the one of two characters. Control characters without one, and surrogates, are left
 * out. */
void character(struct grammar *g, int32_t from, uint32_t lo, uint32_t hi, int32_t to);

#endif
