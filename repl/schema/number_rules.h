/* SPDX-License-Identifier: MIT
 * Rules for JSON's numbers, within bounds. No number has more than fifteen digits before its
 * exponent: so every reader that keeps them as doubles tells any two of them apart. */
#ifndef SCHEMA_NUMBER_RULES_H
#define SCHEMA_NUMBER_RULES_H

#include "schema/grammar.h"

enum { MAX_DIGITS = 15 };

/* A bound in decimal: digits without leading zeros, of which n_int stand before the point. */
struct decimal {
    bool given, negative, excluded; // excluded: the number itself lies outside
    int n_int;
    char digits[2 * MAX_DIGITS + 1];
};

/* Any number, with fraction and exponent, or any integer. */
int32_t rule_any_number(struct grammar *g, bool integer);
/* From low to high, where they are given; without exponents. */
int32_t rule_number(struct grammar *g, bool integer, const struct decimal *low,
                    const struct decimal *high);
/* Reads text such as "-12.5e3" that is a JSON number. False when it needs more digits than there
 * are, but for integers beyond all of MAX_DIGITS: the bound is then not given where it excludes none
 * of these. is_low: it bounds from below. */
bool decimal_read(const char *text, bool is_low, struct decimal *ret);

#endif
