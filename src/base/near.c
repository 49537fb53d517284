/* SPDX-License-Identifier: MIT */
#include "base/near.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

static int least(int a, int b) { return a < b ? a : b; }

static bool same(char a, char b) { return tolower((unsigned char)a) == tolower((unsigned char)b); }

/* The number of insertions, deletions, replacements and swaps of neighbours between two names. */
static int edits_between(const char *a, const char *b)
{
    int rows[3][NEAR_MAX + 1]; // of the table: the present one and the two before
    const int n = (int)strlen(a), m = (int)strlen(b);
    if (n > NEAR_MAX || m > NEAR_MAX) return NEAR_MAX;
    int *now = rows[0], *last = rows[1], *before = rows[2];
    for (int k = 0; k <= m; k++) last[k] = k;
    for (int i = 1; i <= n; i++) {
        now[0] = i;
        for (int k = 1; k <= m; k++) {
            now[k] = least(least(last[k], now[k - 1]) + 1, last[k - 1] + !same(a[i - 1], b[k - 1]));
            if (i > 1 && k > 1 && same(a[i - 1], b[k - 2]) && same(a[i - 2], b[k - 1]))
                now[k] = least(now[k], before[k - 2] + 1);
        }
        int *spare = before;
        before = last;
        last = now;
        now = spare;
    }
    return last[m];
}

void near_offer(struct near *n, const char *name, const char *shown)
{
    int allowed = (int)strlen(name) / 3, edits = edits_between(n->typed, name);
    if (edits > (allowed > 1 ? allowed : 1) || (*n->best && edits >= n->edits)) return;
    if (strlen(shown) >= sizeof n->best) return;
    snprintf(n->best, sizeof n->best, "%s", shown);
    n->edits = edits;
}
