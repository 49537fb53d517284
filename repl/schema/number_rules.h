/* SPDX-License-Identifier: MIT
 * Rules for JSON numbers within bounds. No number has more than fifteen digits before its exponent,
 * so that readers with doubles can tell any two apart. */
#ifndef SCHEMA_NUMBER_RULES_H
#define SCHEMA_NUMBER_RULES_H

#include "schema/grammar.h"

enum { MAX_DIGITS = 15 };

/* A bound in decimal: digits without leading zeros, n_int of them before the point. */
struct decimal {
    bool given, negative, excluded; // excluded: the number itself is not allowed
    int n_int;
    char digits[2 * MAX_DIGITS + 1];
};

/* Any number, with fraction and exponent, or any integer. */
int32_t rule_any_number(struct grammar *g, bool integer);
/* From low to high, as far as these are given; without exponents. */
int32_t rule_number(struct grammar *g, bool integer, const struct decimal *low,
                    const struct decimal *high);
/* Reads the text of a JSON number such as "-12.5e3". False when it needs too many digits, except
 * for an integer beyond all numbers of MAX_DIGITS: such a bound is ignored if it excludes none of
 * these. is_low: it is a lower bound. */
bool decimal_read(const char *text, bool is_low, struct decimal *ret);

#endif
