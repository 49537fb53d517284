/* SPDX-License-Identifier: GPL-3.0-or-later */
#include <ctype.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "common/must.h"
#include "verbs/score.h"

/* -- Letters -------------------------------------------------------------------------------- */

struct letters {
    uint32_t *v;
    size_t n;
};

static bool is_continuation(unsigned char c) { return (c & 0xC0) == 0x80; }

/* One element per character: its bytes as a number, which is enough for comparing. */
static struct letters letters_of(const char *text, bool fold)
{
    struct letters out = {xcalloc(strlen(text) + 1, sizeof *out.v), 0};
    bool gap = false;
    for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
        if (isspace(*p)) {
            gap = out.n > 0;
            continue;
        }
        if (gap) out.v[out.n++] = ' ';
        gap = false;
        uint32_t letter = fold && *p < 128 ? (uint32_t)tolower(*p) : *p;
        while (is_continuation(p[1])) letter = letter << 8 | *++p;
        out.v[out.n++] = letter;
    }
    return out;
}

static bool is_wordy(uint32_t letter) { return letter > 127 || isalnum((int)letter); }

bool score_same(const char *got, const char *want)
{
    struct letters a = letters_of(got, false), b = letters_of(want, false);
    bool same = a.n == b.n && !memcmp(a.v, b.v, a.n * sizeof *a.v);
    free(a.v);
    free(b.v);
    return same;
}

/* A fact must not begin or end within a word, unless it has no word character there, as in
 * "45%". */
static bool stands_alone(struct letters text, struct letters fact, size_t at)
{
    size_t end = at + fact.n;
    if (at > 0 && is_wordy(text.v[at - 1]) && is_wordy(fact.v[0])) return false;
    return end == text.n || !is_wordy(text.v[end]) || !is_wordy(fact.v[fact.n - 1]);
}

bool score_contains(const char *text, const char *fact)
{
    struct letters a = letters_of(text, true), b = letters_of(fact, true);
    bool found = b.n == 0;
    for (size_t at = 0; !found && at + b.n <= a.n; at++)
        found = !memcmp(a.v + at, b.v, b.n * sizeof *b.v) && stands_alone(a, b, at);
    free(a.v);
    free(b.v);
    return found;
}

const char *score_last_sentence(const char *text)
{
    const char *last = text;
    for (const char *p = text; *p; p++) {
        const char *next = p + 1 + strspn(p + 1, " \n");
        if (*p == '.' && next > p + 1 && *next) last = next;
    }
    return last;
}

/* -- Edits ---------------------------------------------------------------------------------- */

static size_t smaller(size_t a, size_t b) { return a < b ? a : b; }

size_t score_edits(const char *got, const char *want, bool anywhere, size_t *ret_letters)
{
    struct letters a = letters_of(got, true), b = letters_of(want, true);
    /* column[j]: the edits between b[0…j) and a stretch of a that ends here */
    size_t *column = xcalloc(b.n + 1, sizeof *column);
    for (size_t j = 0; j <= b.n; j++) column[j] = j;
    size_t best = column[b.n];
    for (size_t i = 1; i <= a.n; i++) {
        size_t corner = column[0];
        column[0] = anywhere ? 0 : i;
        for (size_t j = 1; j <= b.n; j++) {
            size_t replaced = corner + (a.v[i - 1] != b.v[j - 1]);
            corner = column[j];
            column[j] = smaller(replaced, smaller(column[j], column[j - 1]) + 1);
        }
        best = smaller(best, column[b.n]);
    }
    size_t edits = anywhere ? best : column[b.n];
    *ret_letters = b.n;
    free(column);
    free(a.v);
    free(b.v);
    return edits;
}

/* -- Numbers -------------------------------------------------------------------------------- */

static bool is_digit(char c) { return c >= '0' && c <= '9'; }

static bool is_thousands(const char *p)
{
    return *p == ',' && is_digit(p[1]) && is_digit(p[2]) && is_digit(p[3]) && !is_digit(p[4]);
}

/* The number that begins at p; *ret_end points after it. */
static double number_at(const char *p, const char **ret_end)
{
    double value = 0, unit = 1;
    for (; is_digit(*p) || is_thousands(p); p++)
        if (*p != ',') value = value * 10 + (*p - '0');
    if (*p == '.' && is_digit(p[1]))
        for (p++; is_digit(*p); p++) value += (*p - '0') * (unit /= 10);
    *ret_end = p;
    return value;
}

static size_t numbers_of(const char *text, double *ret)
{
    size_t n = 0;
    for (const char *p = text; *p;) {
        if (!is_digit(*p)) {
            p++;
            continue;
        }
        bool minus = p > text && p[-1] == '-' && (p - 1 == text || isspace((unsigned char)p[-2]));
        double value = number_at(p, &p);
        ret[n++] = minus ? -value : value;
    }
    return n;
}

static int compare_numbers(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

size_t score_numbers(const char *text, const double *want, size_t n, double tolerance)
{
    double *got = xcalloc(strlen(text) + 1, sizeof *got), *sorted = xcalloc(n, sizeof *sorted);
    size_t n_got = numbers_of(text, got), found = 0, at = 0;
    if (n) memcpy(sorted, want, n * sizeof *want);
    qsort(got, n_got, sizeof *got, compare_numbers);
    qsort(sorted, n, sizeof *sorted, compare_numbers);
    /* both are sorted and the tolerance is constant, so taking the first that fits finds the
     * most */
    for (size_t i = 0; i < n; i++) {
        while (at < n_got && got[at] < sorted[i] - tolerance) at++;
        if (at < n_got && got[at] <= sorted[i] + tolerance) {
            found++;
            at++;
        }
    }
    free(got);
    free(sorted);
    return found;
}
