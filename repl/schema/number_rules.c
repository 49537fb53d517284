/* SPDX-License-Identifier: MIT */
#include "schema/number_rules.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* -- Without bounds ---------------------------------------------------------------------------- */

/* Adds one to n digits after a state that is not final; all new states are final. Returns the first
 * of them; exits[i]: where the part after i + 1 digits begins. */
static void digits(struct grammar *g, int32_t rule, int32_t from, int first, int n, int32_t *exits)
{
    for (int i = 0; i < n; i++) {
        exits[i] = grammar_state(g, rule);
        grammar_bytes(g, from, i ? '0' : first, '9', ACT_NONE, exits[i]);
        grammar_final(g, exits[i]);
        from = exits[i];
    }
}

static void exponent(struct grammar *g, int32_t from, int32_t e)
{
    grammar_bytes(g, from, 'e', 'e', ACT_NONE, e);
    grammar_bytes(g, from, 'E', 'E', ACT_NONE, e);
}

/* After an 'e': a sign, and one or two digits. */
static void exponent_digits(struct grammar *g, int32_t rule, int32_t e)
{
    int32_t sign = grammar_state(g, rule), exits[2];
    grammar_bytes(g, e, '+', '+', ACT_NONE, sign);
    grammar_bytes(g, e, '-', '-', ACT_NONE, sign);
    digits(g, rule, sign, '0', 2, exits);
    grammar_bytes(g, e, '0', '9', ACT_NONE, exits[0]);
}

/* Integers from 0 or 1 up; with `sign` also negative ones. */
static int32_t integers(struct grammar *g, bool sign, bool zero)
{
    int32_t rule = grammar_rule(g), start = grammar_start(g, rule), exits[MAX_DIGITS];
    digits(g, rule, start, '1', MAX_DIGITS, exits);
    if (zero) grammar_final(g, grammar_then(g, start, '0'));
    if (sign) grammar_bytes(g, grammar_then(g, start, '-'), '1', '9', ACT_NONE, exits[0]);
    return rule;
}

static int32_t numbers(struct grammar *g, bool sign)
{
    int32_t rule = grammar_rule(g), start = grammar_start(g, rule), exits[MAX_DIGITS];
    int32_t positive = grammar_state(g, rule), zero = grammar_state(g, rule);
    int32_t e = grammar_state(g, rule), fraction[MAX_DIGITS];
    grammar_skip(g, start, ACT_NONE, positive);
    if (sign) grammar_bytes(g, start, '-', '-', ACT_NONE, positive);
    digits(g, rule, positive, '1', MAX_DIGITS, exits);
    grammar_bytes(g, positive, '0', '0', ACT_NONE, zero);
    grammar_final(g, zero);
    exponent_digits(g, rule, e);
    /* Every digit before the point leaves room for one fewer after it: fraction[k] has room for k
     * more. */
    for (int k = 0; k < MAX_DIGITS; k++) {
        fraction[k] = grammar_state(g, rule);
        grammar_final(g, fraction[k]);
        exponent(g, fraction[k], e);
        if (k) grammar_bytes(g, fraction[k], '0', '9', ACT_NONE, fraction[k - 1]);
    }
    for (int i = -1; i < MAX_DIGITS; i++) {
        int32_t from = i < 0 ? zero : exits[i];
        int left = MAX_DIGITS - (i < 0 ? 1 : i + 1);
        exponent(g, from, e);
        if (left == 0) continue;
        grammar_bytes(g, grammar_then(g, from, '.'), '0', '9', ACT_NONE, fraction[left - 1]);
    }
    return rule;
}

int32_t rule_any_number(struct grammar *g, bool integer)
{
    return integer ? integers(g, true, true) : numbers(g, true);
}

/* -- Between bounds ---------------------------------------------------------------------------- */

/* Numbers of n_int digits before the point between two others of the same length: digit by digit,
 * as long as the digits equal those of the lower or upper one. */
struct between {
    struct grammar *g;
    int32_t rule;
    int n_int, n_frac; // most digits after the point
    char low[MAX_DIGITS + MAX_DIGITS + 1], high[MAX_DIGITS + MAX_DIGITS + 1];
    bool low_excluded, high_excluded;
    int32_t made[2 * MAX_DIGITS + 1][2][2]; // by digits so far, whether equal to low's, to high's
};

static bool zeros(const char *digits) { return !digits[strspn(digits, "0")]; }

/* Whether the number may end after n digits. */
static bool may_end(const struct between *b, int n, bool as_low, bool as_high)
{
    if (n < b->n_int) return false;
    if (as_low && (!zeros(b->low + n) || b->low_excluded)) return false;
    return !(as_high && b->high_excluded && zeros(b->high + n));
}

static int32_t after_digits(struct between *b, int n, bool as_low, bool as_high)
{
    int32_t *made = &b->made[n][as_low][as_high];
    if (*made >= 0 || b->g->failed) return *made >= 0 ? *made : 0;
    int32_t state = *made = grammar_state(b->g, b->rule), from = state;
    if (may_end(b, n, as_low, as_high)) grammar_final(b->g, state);
    if (n == b->n_int + b->n_frac) return state;
    if (n == b->n_int) from = grammar_then(b->g, state, '.');
    int least = as_low ? b->low[n] : '0', most = as_high ? b->high[n] : '9';
    for (int d = least; d <= most; d++) {
        int32_t to = after_digits(b, n + 1, as_low && d == least, as_high && d == most);
        grammar_bytes(b->g, from, d, d, ACT_NONE, to);
    }
    return state;
}

/* The digits of a bound, padded with zeros. */
static void fill(char *to, const struct decimal *d, size_t n)
{
    size_t have = strlen(d->digits);
    memset(to, '0', n);
    to[n] = 0;
    if (d->n_int == 0) memcpy(to + 1, d->digits, have); // "0.5" has a digit before its point
    if (d->n_int > 0) memcpy(to, d->digits, have);
}

/* Magnitudes from low to high, starting at state `from`; high may be missing. */
static void magnitudes(struct grammar *g, int32_t from, bool integer, const struct decimal *low,
                       const struct decimal *high)
{
    int first = low->n_int > 1 ? low->n_int : 1;
    int last = !high->given ? MAX_DIGITS : high->n_int > 1 ? high->n_int : 1;
    for (int n = first; n <= last && !g->failed; n++) {
        struct between b = {.g = g, .rule = g->states[from].rule, .n_int = n};
        b.n_frac = integer ? 0 : MAX_DIGITS - n;
        memset(b.made, -1, sizeof b.made);
        size_t length = (size_t)(n + MAX_DIGITS);
        memset(b.low, '0', length);
        memset(b.high, '9', length);
        b.low[0] = n > 1 ? '1' : '0';
        if (n == first) {
            fill(b.low, low, length);
            b.low_excluded = low->excluded;
        }
        bool limited = high->given && n == last;
        if (limited) {
            fill(b.high, high, length);
            b.high_excluded = high->excluded;
        }
        if (limited && strcmp(b.low, b.high) > 0) continue;
        grammar_skip(g, from, ACT_NONE, after_digits(&b, 0, true, limited));
    }
}

static bool is_zero(const struct decimal *d) { return d->given && zeros(d->digits); }

/* Negative numbers, whose magnitudes run the other way. */
static void negatives(struct grammar *g, int32_t start, bool integer, const struct decimal *low,
                      const struct decimal *high)
{
    struct decimal zero = {.given = true, .excluded = true};
    bool high_is_below = high->given && high->negative && !is_zero(high);
    if (low->given && (!low->negative || is_zero(low))) return;
    magnitudes(g, grammar_then(g, start, '-'), integer, high_is_below ? high : &zero, low);
}

int32_t rule_number(struct grammar *g, bool integer, const struct decimal *low,
                    const struct decimal *high)
{
    bool from_one = integer && low->given && !low->negative && !high->given &&
                    (is_zero(low) ? low->excluded
                                  : !strcmp(low->digits, "1") && low->n_int == 1 && !low->excluded);
    bool from_zero = is_zero(low) && !low->excluded && !high->given;
    if (from_one) return integers(g, false, false);
    if (from_zero) return integer ? integers(g, false, true) : numbers(g, false);
    if (!low->given && !high->given) return rule_any_number(g, integer);
    struct decimal zero = {.given = true};
    bool low_is_above = low->given && (!low->negative || is_zero(low));
    int32_t rule = grammar_rule(g), start = grammar_start(g, rule);
    negatives(g, start, integer, low, high);
    if (!high->given || !high->negative || is_zero(high))
        magnitudes(g, start, integer, low_is_above ? low : &zero, high);
    return rule;
}

/* -- Reading bounds ---------------------------------------------------------------------------- */

/* All digits of a JSON number in a row, and how many of them are before the point. */
static int digits_of(const char *text, char *ret, size_t cap)
{
    size_t n = 0;
    int point = -1;
    for (; *text && *text != 'e' && *text != 'E' && n < cap - 1; text++)
        if (*text == '.')
            point = (int)n;
        else
            ret[n++] = *text;
    ret[n] = 0;
    if (point < 0) point = (int)n;
    const char *e = strpbrk(text, "eE");
    return point + (e ? atoi(e + 1) : 0);
}

/* A bound that no number of MAX_DIGITS reaches excludes no number, or all. */
static bool beyond_all(bool is_low, struct decimal *ret)
{
    if (ret->negative != is_low) return false;
    *ret = (struct decimal){0};
    return true;
}

bool decimal_read(const char *text, bool is_low, struct decimal *ret)
{
    char all[400];
    *ret = (struct decimal){.given = true, .negative = *text == '-'};
    int point = digits_of(text + ret->negative, all, sizeof all);
    size_t zero = strspn(all, "0"), n = strlen(all);
    while (n > zero && all[n - 1] == '0') n--;
    if (n == zero) return true; // 0
    point -= (int)zero;
    if (point > MAX_DIGITS) return beyond_all(is_low, ret);
    int sig = (int)(n - zero), n_zero = point < 0 ? -point : 0;
    int n_frac = sig > point ? sig - point : 0;
    if (sig > MAX_DIGITS || n_frac > MAX_DIGITS) return false;
    memset(ret->digits, '0', (size_t)n_zero);
    memcpy(ret->digits + n_zero, all + zero, (size_t)sig);
    if (point > sig) memset(ret->digits + sig, '0', (size_t)(point - sig));
    ret->n_int = point > 0 ? point : 0;
    return true;
}
